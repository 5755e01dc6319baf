package attestor

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
)

func TestBuildClaims(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const connection = "host=db user=gatehouse dbname=gatehouse"
	shared := claimsConfig{Backend: "postgres", TTL: 30 * time.Second, ConnectionString: newSecret(connection), MaxConnections: 10, Timeout: 5 * time.Second}
	changed := shared
	changed.TTL, changed.PasswordFile, changed.MaxConnections, changed.Timeout = 2*time.Minute, password, 3, time.Second
	for name, tc := range map[string]struct {
		block string
		want  claimsConfig
	}{
		"no block":    {"", defaultClaims()},
		"empty":       {"claims {}", defaultClaims()},
		"memory":      {`claims { backend = "memory" claim_ttl = "1m" }`, claimsConfig{Backend: "memory", TTL: time.Minute}},
		"a database":  {`claims { backend = "postgres" connection_string = "` + connection + `" }`, shared},
		"all of it":   {`claims { backend = "postgres" connection_string = "` + connection + `" password_file = "` + password + `" max_connections = 3 timeout = "1s" claim_ttl = "2m" }`, changed},
		"with blanks": {`claims { backend = "postgres" connection_string = "` + connection + `" password_file = "" claim_ttl = "" timeout = "" }`, shared},
	} {
		t.Run(name, func(t *testing.T) {
			o := plugindata.Parse(tc.block)
			got := buildClaims(o)
			if problems := o.Problems(); len(problems) > 0 || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, %v; want %+v", got, problems, tc.want)
			}
		})
	}
}

func TestBuildClaimsRefuses(t *testing.T) {
	const isFor = `is for backend = "postgres"`
	for name, tc := range map[string]struct {
		block string
		want  []plugindata.Problem
	}{
		"another backend": {`backend = "etcd" connection_string = "x" password_file = "y" max_connections = 1 timeout = "1s"`, []plugindata.Problem{
			{Key: "claims.backend", Msg: `must be "memory" or "postgres"`}}},
		"a database for memory": {`connection_string = "host=db" password_file = "/p" max_connections = 1 timeout = "1s"`, []plugindata.Problem{
			{Key: "claims.connection_string", Msg: isFor}, {Key: "claims.max_connections", Msg: isFor},
			{Key: "claims.password_file", Msg: isFor}, {Key: "claims.timeout", Msg: isFor}}},
		"no database": {`backend = "postgres"`, []plugindata.Problem{
			{Key: "claims.connection_string", Msg: `is missing: say which database, such as "host=db.example.org user=gatehouse dbname=gatehouse sslmode=verify-full"`}}},
		"no connection string": {`backend = "postgres" connection_string = "postgres://user:hush/hush@db"`, []plugindata.Problem{
			{Key: "claims.connection_string", Msg: `is no PostgreSQL connection string, such as "host=db.example.org user=gatehouse dbname=gatehouse sslmode=verify-full", or names a file that can't be read`}}},
		"out of bounds": {`backend = "postgres" connection_string = "host=db" max_connections = 0 timeout = "1ms" claim_ttl = "2h"`, []plugindata.Problem{
			{Key: "claims.claim_ttl", Msg: "must be between 1s and 1h0m0s"},
			{Key: "claims.max_connections", Msg: "must be from 1 to 1000; the default is 10"},
			{Key: "claims.timeout", Msg: "must be between 100ms and 1m0s"}}},
		"a password file that isn't there": {`backend = "postgres" connection_string = "host=db" password_file = "/nowhere"`, []plugindata.Problem{
			{Key: "claims.password_file", Msg: "password file: stat /nowhere: no such file or directory"}}},
		"a password file somewhere": {`backend = "postgres" connection_string = "host=db" password_file = "password"`, []plugindata.Problem{
			{Key: "claims.password_file", Msg: "must be an absolute path"}}},
		"an unknown key": {`claim_tll = "1m"`, []plugindata.Problem{
			{Key: "claims.claim_tll", Msg: "unknown key; did you mean \"claim_ttl\"?"}}},
	} {
		t.Run(name, func(t *testing.T) {
			o := plugindata.Parse("claims { " + tc.block + " }")
			buildClaims(o)
			got := o.Problems()
			for i := range got {
				got[i].Line = 0
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got\n%+v, want\n%+v", got, tc.want)
			}
		})
	}
}

// A claim must outlive the attestation that holds it.
func TestClaimsOptions(t *testing.T) {
	c := claimsConfig{Backend: "postgres", TTL: time.Minute, ConnectionString: newSecret("host=db"), PasswordFile: "/p", MaxConnections: 3, Timeout: 2 * time.Second}
	want := postgres.Options{ConnectionString: "host=db", PasswordFile: "/p", MaxConnections: 3, Timeout: 2 * time.Second, TTL: time.Minute, Hold: 54 * time.Second}
	if got := c.options(20 * time.Second); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConnectionStringIsSecret(t *testing.T) {
	config, problems := buildAWSIID(`claims { backend = "postgres" connection_string = "host=db password=hush" }`, environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, text := range []string{fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config), fmt.Sprint(config.policyConfig())} {
		if strings.Contains(text, "hush") || strings.Contains(text, "host=") {
			t.Errorf("it shows in %s", text)
		}
	}
}

func TestClaimsWarnings(t *testing.T) {
	for connection, want := range map[string]int{
		"host=db.example.org sslmode=disable":                        1,
		"host=db.example.org":                                        1, // pgx's default falls back to plain text
		"host=db.example.org sslmode=require":                        1,
		"host=db.example.org sslmode=verify-full":                    0,
		"host=db1.example.org,db2.example.org sslmode=verify-full":   0,
		"host=127.0.0.1,db.example.org sslmode=disable":              1,
		"host=/var/run/postgresql":                                   0,
		"host=127.0.0.1 sslmode=disable":                             0,
		"postgres://localhost/gatehouse?sslmode=disable":             0,
		"postgres://db.example.org/gatehouse?sslmode=verify-full":    0,
		"postgres://db.example.org/gatehouse?sslmode=allow&x=verify": 1,
	} {
		c := claimsConfig{Backend: "postgres", ConnectionString: newSecret(connection)}
		if got := c.warnings(); len(got) != want {
			t.Errorf("%s: got %q, want %d", connection, got, want)
		}
	}
	if got := defaultClaims().warnings(); got != nil {
		t.Errorf("memory: got %q", got)
	}
}

// TestFirstUsePage reads the block that docs/first_use.md shows.
func TestFirstUsePage(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	block := blocks(t, "first_use.md")["claims {"]
	o := plugindata.Parse(strings.Replace(block, "/etc/gatehouse/database-password", password, 1))
	got := buildClaims(o)
	want := claimsConfig{
		Backend: "postgres", TTL: 30 * time.Second, MaxConnections: 10, Timeout: 5 * time.Second, PasswordFile: password,
		ConnectionString: newSecret("host=db.example.org user=gatehouse dbname=gatehouse sslmode=verify-full"),
	}
	if problems := o.Problems(); len(problems) > 0 || !reflect.DeepEqual(got, want) || got.warnings() != nil {
		t.Errorf("got %+v, %v, %q", got, problems, got.warnings())
	}
}
