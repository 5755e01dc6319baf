package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
	"github.com/spire-gatehouse/gatehouse/tofu"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
)

// A database that does not do what it should lets nobody in, takes no longer than
// the timeout to say so, and is used again as soon as it is back.
func TestFaults(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	for name, fault := range map[string]func(t *testing.T, database string) (repair func()){
		"stopped": func(t *testing.T, _ string) func() {
			server.Stop()
			return func() {
				if err := server.Resume(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		},
		"paused": func(t *testing.T, _ string) func() { return server.Pause(t) },
		"slow":   lockTables,
		"read-only": func(t *testing.T, database string) func() {
			set := func(how, value string) {
				server.Exec(t, database, "ALTER SYSTEM "+how)
				server.Exec(t, database, "SELECT pg_reload_conf()")
				until(t, func() bool {
					return server.Count(t, database, "SELECT count(*) FROM pg_settings WHERE name = 'default_transaction_read_only' AND setting = '"+value+"'") == 1
				})
			}
			set("SET default_transaction_read_only = on", "on")
			return func() { set("RESET default_transaction_read_only", "off") }
		},
		"without its tables": func(t *testing.T, database string) func() {
			server.Exec(t, database, "ALTER TABLE gatehouse_claims RENAME TO elsewhere")
			return func() { server.Exec(t, database, "ALTER TABLE elsewhere RENAME TO gatehouse_claims") }
		},
		"emptied": func(t *testing.T, database string) func() {
			server.Exec(t, database, "DROP TABLE gatehouse_claims, gatehouse_first_uses")
			return func() { server.Exec(t, database, "DROP TABLE gatehouse_migrations") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := patient(server.Database(t))
			if err := open(t, opts).Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			opts.Timeout = 300 * time.Millisecond
			db := open(t, opts)
			running := takeNew(t, db)

			repair := fault(t, opts.ConnectionString)
			// Every call ends, though nobody gave it an end, or this test would not.
			for range 3 {
				if claim, err := db.Take(t.Context(), tofu.Node{AgentID: "agent 2", Machine: "machine 2"}); err == nil {
					t.Fatalf("a claim was taken: %v", claim.Held())
				}
			}
			if err := running.Keep(t.Context(), netip.Addr{}); err == nil || errors.Is(err, tofu.ErrLost) {
				t.Errorf("keep: got %v", err)
			}
			if err := running.Release(t.Context()); err == nil {
				t.Error("the claim was released")
			}

			repair()
			testwait.Until(t, func() string {
				if err := takeNew(t, db).Keep(t.Context(), netip.Addr{}); err != nil {
					return err.Error()
				}
				return ""
			})
		})
	}
}

// takeNew takes the claim of a node that is new each time it is tried: one that was late
// may have been taken all the same.
func takeNew(t *testing.T, db *postgres.DB) tofu.Claim {
	t.Helper()
	claim := until(t, func() tofu.Claim {
		id := rand.Text()
		claim, _ := db.Take(t.Context(), tofu.Node{AgentID: "agent " + id, Machine: "machine " + id})
		return claim
	})
	if !claim.Held() {
		t.Error("nobody else asked, and it is not held")
	}
	return claim
}

// lockTables makes everyone wait.
func lockTables(t *testing.T, database string) func() {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE gatehouse_claims, gatehouse_first_uses IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// What a database refuses for good is told as it is, with no password in it.
func TestErrorsTellNoSecrets(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	database := server.Database(t)
	server.Exec(t, database, "CREATE ROLE locked NOLOGIN; CREATE ROLE plain LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	as := func(user string) string {
		return strings.Replace(database, "user=postgres", "user="+user+" password=hush-hush", 1)
	}
	for name, tc := range map[string]struct{ connection, want string }{
		"may not log in":   {as("locked"), `role "locked" is not permitted to log in`},
		"may not create":   {as("plain"), "postgres: make the tables: ERROR: permission denied for schema public"},
		"no such database": {strings.Replace(as("plain"), "dbname=", "dbname=no", 1), `does not exist`},
		"no connection":    {strings.Replace(as("plain"), "port=", "port=1 dbname=x options='' application_name=", 1), "failed to connect"},
	} {
		t.Run(name, func(t *testing.T) {
			err := open(t, patient(tc.connection)).Ready(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	for _, bad := range []string{"postgres://gatehouse:hush/hush@db:port", "host=db password=hush port=hush", "hush"} {
		if _, err := postgres.Open(patient(bad)); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}
