package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// TestReconfigure changes a plugin_data_file and sends the server SIGUSR1, upon
// which SPIRE configures the plugin anew. A bad file is reported with its problem
// and leaves the old configuration in force; a good one takes over.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	cloud := newAWS(t)
	file := filepath.Join(t.TempDir(), "plugin_data.hcl")
	write := func(more string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(cloud.PluginData()+"\n"+more+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	under := func(name string) string {
		return `agent_path_template = "/aws_iid/` + name + `/{{ .InstanceID }}"`
	}
	write(under("old"))
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	block, err := stage.PluginWithFile(binary, file)
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, spire.ServerConfig{NodeAttestors: block, Env: cloud.Env()})
	s := scene{cloud, running{server}}

	// reconfigure writes the file and returns what SPIRE logs when it is through.
	reconfigure := func(more, logged string) process.Entry {
		t.Helper()
		write(more)
		before := server.Log.Len()
		if err := server.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
		defer cancel()
		entry, err := server.Log.Wait(ctx, before, func(e process.Entry) bool {
			return e.Message == logged && e.Field("plugin_name") == "aws_iid"
		})
		if err != nil {
			t.Fatal(err)
		}
		return entry
	}
	attested := 0
	attest := func(want string) {
		t.Helper()
		attested++
		id := fmt.Sprintf("i-%017d", attested)
		svid, err := server.Attest(t.Context(), "aws_iid", s.boot(t, id).Payload)
		if err != nil {
			t.Fatal(err)
		}
		if want := "spiffe://example.org/spire/agent/aws_iid/" + want + "/" + id; svid.ID != want {
			t.Errorf("got %s, want %s", svid.ID, want)
		}
	}

	attest("old")
	for _, bad := range []struct {
		data string
		want []string
	}{
		{under("new") + "\npartition = \"moon\"\ncloud_timeout = \"soon\"", []string{"partition", "cloud_timeout"}},
		{under("new") + "\nassume_role =", []string{"line"}},
		{under("new") + "\nasume_role = \"spire\"", []string{"asume_role", "assume_role"}},
	} {
		entry := reconfigure(bad.data, "Failed to reconfigure plugin")
		for _, want := range bad.want {
			if !strings.Contains(entry.Field("error"), want) {
				t.Errorf("the server's log does not mention %s: %v", want, entry.Fields)
			}
		}
		attest("old")
	}
	reconfigure(under("new"), "Plugin reconfigured")
	attest("new")
}
