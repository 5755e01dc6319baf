package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
	"github.com/spire-gatehouse/gatehouse/tofu/tofutest"
)

const countMigrations = "SELECT count(*) FROM gatehouse_migrations"

func TestMigrations(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	t.Run("servers that start together", func(t *testing.T) {
		opts := patient(server.Database(t))
		var all sync.WaitGroup
		for range 10 {
			db := open(t, opts)
			for range 3 {
				all.Go(func() {
					if err := db.Ready(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		if got := server.Count(t, opts.ConnectionString, countMigrations); got != 1 {
			t.Errorf("%d migrations were applied, want 1", got)
		}
		tofutest.Take(t, open(t, opts), true, "agent", "machine")
	})
	t.Run("tables of a newer Gatehouse", func(t *testing.T) {
		opts := patient(server.Database(t))
		if err := open(t, opts).Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Exec(t, opts.ConnectionString, "INSERT INTO gatehouse_migrations (version) VALUES (2)")
		want := "postgres: make the tables: they are of version 2, made by a newer Gatehouse; this one knows version 1: upgrade it"
		if err := open(t, opts).Ready(t.Context()); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
	t.Run("half of them are there already", func(t *testing.T) {
		opts := patient(server.Database(t))
		server.Exec(t, opts.ConnectionString, "CREATE TABLE gatehouse_first_uses (x int)")
		if err := open(t, opts).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "001_claims.sql") {
			t.Errorf("got %v", err)
		}
		// All or nothing: the other table was not made, either.
		server.Exec(t, opts.ConnectionString, "DROP TABLE gatehouse_first_uses")
		tofutest.Take(t, open(t, opts), true, "agent", "machine")
	})
}

// The role that the plugin uses needs no right to make tables once they are there.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	opts := patient(server.Database(t))
	if err := open(t, opts).Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, opts.ConnectionString, "CREATE ROLE gatehouse LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	server.Exec(t, opts.ConnectionString, documentedGrants(t))
	opts.ConnectionString = strings.Replace(opts.ConnectionString, "user=postgres", "user=gatehouse", 1)
	db := open(t, opts)
	tofutest.Keep(t, tofutest.Take(t, db, true, "agent", "machine"))
	if forgotten, err := db.Forget(t.Context(), []string{"agent"}); err != nil || len(forgotten) != 1 {
		t.Errorf("forgot %v, %v", forgotten, err)
	}
}

// documentedGrants are those that docs/first_use.md says to be enough.
func documentedGrants(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "first_use.md"))
	if err != nil {
		t.Fatal(err)
	}
	grants := ""
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "    GRANT ") {
			grants += line
		}
	}
	return grants
}

// A password that changes in its file is used from the next connection on.
func TestPasswordFile(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	opts := patient(server.Database(t))
	server.RequirePassword(t, "alice", "first")
	opts.ConnectionString = strings.Replace(opts.ConnectionString, "user=postgres", "user=alice", 1)
	opts.PasswordFile = filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		if err := os.WriteFile(opts.PasswordFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, opts)
	for _, step := range []struct{ text, want string }{
		{"", "is not a file of one short line"},
		{"wrong\n", `password authentication failed for user "alice"`},
		{"first\n", ""},
	} {
		write(step.text)
		switch err := db.Ready(t.Context()); {
		case step.want == "" && err != nil:
			t.Errorf("%q: %v", step.text, err)
		case step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)):
			t.Errorf("%q: got %v, want %s", step.text, err, step.want)
		}
	}
	opts.PasswordFile = filepath.Join(t.TempDir(), "missing")
	if err := open(t, opts).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "password file: stat ") {
		t.Errorf("got %v", err)
	}
}
