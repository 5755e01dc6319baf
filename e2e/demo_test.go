package e2e_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
)

// TestDemo runs the first command that the README gives, but for the profile to optimise
// by: compiling everything once more takes minutes, in which the tests beside this one
// starve. The demo checks each of its steps itself, and fails if one does not do what it
// says.
func TestDemo(t *testing.T) {
	t.Parallel()
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	demo := exec.CommandContext(t.Context(), "make", "demo", "PGO=off")
	demo.Dir = root
	output, err := demo.CombinedOutput()
	if err != nil {
		t.Fatalf("make demo: %v\n%s", err, output)
	}
	for _, want := range []string{
		"The agent attested and has its SVID.",
		"Selectors         : aws_iid:tag:Name:web-1",
		"the server logs    tofu: ",
		"The edit is in force",
		"Everything is stopped again.",
	} {
		if !strings.Contains(string(output), want) {
			t.Errorf("the demo does not say %q:\n%s", want, output)
		}
	}
}
