package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
	"github.com/spire-gatehouse/gatehouse/tofu"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
)

// TestClaimsScripts runs the commands on a real database with two machines that
// were let in, and one that is attesting.
func TestClaimsScripts(t *testing.T) {
	server := testpostgres.Start(t)
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/claims",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			database := server.Database(t)
			env.Setenv("DSN", database)
			return errors.Join(fill(t.Context(), database), configure(env.WorkDir, database))
		},
	})
}

// TestFirstUsePage runs the commands that docs/first_use.md shows.
func TestFirstUsePage(t *testing.T) {
	database := testpostgres.Start(t).Database(t)
	dir := t.TempDir()
	if err := errors.Join(fill(t.Context(), database), configure(dir, database)); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "first_use.md"))
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("/etc/spire/server.conf", filepath.Join(dir, "server.conf"), "i-0123456789abcdef0", "i-1")
	commands := 0
	for line := range strings.Lines(string(page)) {
		command, ours := strings.CutPrefix(line, "    gatehouse ")
		if !ours {
			continue
		}
		commands++
		root := newRoot()
		root.SetArgs(strings.Fields(here.Replace(command)))
		root.SetContext(t.Context())
		var out, stderr bytes.Buffer
		root.SetOut(&out)
		if code := run(root, &stderr); code != exitYes || !strings.Contains(out.String(), "example.org/aws/123456789012/i-1") {
			t.Errorf("gatehouse %s: exit code %d\n%s%s", strings.TrimSpace(command), code, out.String(), stderr.String())
		}
	}
	if commands != 3 {
		t.Errorf("the page has %d commands, want 3", commands)
	}
}

// configure writes a server.conf and a plugin_data with that database.
func configure(dir, database string) error {
	block := fmt.Sprintf("claims {\n  backend = \"postgres\"\n  connection_string = %q\n}\n", database)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "plugin_data"), []byte("allowed_account_ids = [\"123456789012\"]\n"+block), 0o600),
		os.WriteFile(filepath.Join(dir, "server.conf"), []byte(`
server { trust_domain = "example.org" }
plugins {
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "aws_iid" { plugin_cmd = "gatehouse" plugin_data { claims {} } }
  NodeAttestor "azure_msi" {
    plugin_cmd = "gatehouse"
    plugin_data {
      tenants { "9e85e111-1103-48fc-a933-9533fe47de05" {} }
`+block+`    }
  }
}`), 0o600))
}

func fill(ctx context.Context, database string) error {
	db, err := postgres.Open(postgres.Options{ConnectionString: database, MaxConnections: 1, Timeout: time.Minute, TTL: time.Hour, Hold: time.Hour})
	if err != nil {
		return err
	}
	defer db.Close()
	for _, node := range []struct {
		name string
		keep bool
	}{{"1", true}, {"2", true}, {"3", false}} {
		claim, err := db.Take(ctx, tofu.Node{
			AgentID: "spiffe://example.org/spire/agent/aws_iid/123456789012/us-west-2/i-" + node.name,
			Machine: "example.org/aws/123456789012/i-" + node.name,
		})
		if err != nil {
			return err
		}
		if node.keep {
			if err := claim.Keep(ctx, netip.MustParseAddr("10.0.0."+node.name)); err != nil {
				return err
			}
		}
	}
	return nil
}
