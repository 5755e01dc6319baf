package rego

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

var update = flag.Bool("update", false, "write testdata/builtins.txt")

// A built-in that a new OPA brings must be looked at before policies get it: is
// its result a function of its arguments, does it do nothing else, and does it end? If so,
// run the test with -update; if not, name it in removed.
func TestBuiltins(t *testing.T) {
	var allowed []string
	for _, builtin := range capabilities().Builtins {
		allowed = append(allowed, builtin.Name)
	}
	slices.Sort(allowed)
	got := strings.Join(allowed, "\n") + "\n"

	const file = "testdata/builtins.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		known := strings.Split(string(want), "\n")
		for _, name := range allowed {
			if !slices.Contains(known, name) {
				t.Errorf("built-in %s is new; see the comment of this test", name)
			}
		}
		for _, name := range known {
			if name != "" && !slices.Contains(allowed, name) {
				t.Errorf("built-in %s is gone", name)
			}
		}
	}
}

func TestRemovedBuiltins(t *testing.T) {
	gone := removed()
	for _, builtin := range capabilities().Builtins {
		if _, isGone := gone[builtin.Name]; isGone || builtin.IsNondeterministic() {
			t.Errorf("%s is still there", builtin.Name)
		}
	}
	// A misspelt or renamed entry would remove nothing.
	for name := range gone {
		if ast.BuiltinMap[name] == nil {
			t.Errorf("OPA has no built-in %s", name)
		}
	}
	if allow := capabilities().AllowNet; allow == nil || len(allow) != 0 {
		t.Errorf("AllowNet is %#v; nil would allow every host", allow)
	}
}
