package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/spiffe/spire/pkg/common/catalog"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/internal/testplugindata"
)

var updatePluginData = flag.Bool("update-plugindata", false, "rewrite what SPIRE hands over beside each server.conf")

// TestPluginDataAsSPIREHandsItOver keeps the test data of attestor/plugindata
// honest. Each folder there holds a server.conf and the text that SPIRE makes
// of its plugin_data; here SPIRE's own code makes it again. After a change of a
// server.conf, or of SPIRE's version:
//
//	go test -run TestPluginDataAsSPIREHandsItOver -update-plugindata .
func TestPluginDataAsSPIREHandsItOver(t *testing.T) {
	testplugindata.Each(t, "../attestor/plugindata", func(t *testing.T, dir string) {
		text, err := os.ReadFile(filepath.Join(dir, "server.conf"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pluginDataOf(string(text))
		if err != nil {
			t.Fatal(err)
		}
		stored := filepath.Join(dir, "plugin_data")
		if *updatePluginData {
			if err := os.WriteFile(stored, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(stored)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("SPIRE hands over\n%s\nstored is\n%s", got, want)
		}
		compareWithHCL1(t, got)
	})
}

// pluginDataOf reads a server.conf as spire-server does: decoded as a whole
// with the plugins left as a node, then each plugin's data printed.
func pluginDataOf(text string) (string, error) {
	var server struct {
		Plugins ast.Node `hcl:"plugins"`
	}
	if err := hcl.Decode(&server, text); err != nil {
		return "", err
	}
	plugins, err := catalog.PluginConfigsFromHCLNode(server.Plugins)
	if err != nil {
		return "", err
	}
	if len(plugins) != 1 {
		return "", fmt.Errorf("it configures %d plugins, want 1", len(plugins))
	}
	if plugins[0].DataSource == nil {
		return "", nil
	}
	return plugins[0].DataSource.Load()
}

// compareWithHCL1 reads the text's outermost strings with HCL 1, as SPIRE's
// built-in plugins do, and as Gatehouse does: they must be the same.
func compareWithHCL1(t *testing.T, text string) {
	t.Helper()
	var values map[string]any
	// HCL 1 wants a line end after a heredoc, which SPIRE does not print.
	if err := hcl.Decode(&values, text+"\n"); err != nil {
		if problems := plugindata.Parse(text).Problems(); len(problems) == 0 {
			t.Errorf("HCL 1 refuses what Gatehouse takes: %v", err)
		}
		return
	}
	object := plugindata.Parse(text)
	for key, value := range values {
		want, ok := value.(string)
		if !ok {
			continue
		}
		if got, ok := object.String(key); !ok || got != want {
			t.Errorf("%s is %q for HCL 1, %q for Gatehouse", key, want, got)
		}
	}
}
