package e2e_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

// TestPrintedBlock does what a person is told to who runs the plugin by hand: the
// block that it prints, with plugin_data put in, goes into a server's
// configuration, and that server attests.
func TestPrintedBlock(t *testing.T) {
	t.Parallel()
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	printed, err := exec.CommandContext(t.Context(), binary, "aws_iid").Output()
	if err != nil {
		t.Fatal(err)
	}
	// Only the whole block counts: what follows plugins is what a person copies.
	_, block, found := strings.Cut(string(printed), "\n    plugins {\n")
	block, rest, closed := strings.Cut(block, "\n    }\n")
	if !found || !closed || strings.TrimSpace(rest) != "" {
		t.Fatalf("no block of plugins at the end of\n%s", printed)
	}
	cloud := newAWS(t)
	before, after, found := strings.Cut(block, "plugin_data {\n")
	if !found {
		t.Fatalf("no plugin_data in\n%s", block)
	}
	block = before + "plugin_data {\n" + cloud.PluginData() + "\n" + after
	server := startServer(t, spire.ServerConfig{NodeAttestors: block, Env: cloud.Env()})
	s := scene{cloud, running{server}}
	id, err := s.agent(t, s.boot(t, instanceID)).Attested(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if id != firstAgent().ID {
		t.Errorf("got %s, want %s", id, firstAgent().ID)
	}
}
