package attestor

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
	"github.com/spire-gatehouse/gatehouse/tofu"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
	"github.com/spire-gatehouse/gatehouse/tofu/tofutest"
)

// machine is the one of payload.
const machine = "example.org/aws/123456789012/i-0b22a22eec53b9321"

// sharedClaims is a configuration whose claims are in that database.
func sharedClaims(connectionString, more string) string {
	return baseConfig + fmt.Sprintf("claims { backend = \"postgres\" connection_string = %q %s }\n", connectionString, more)
}

func openClaims(t *testing.T, connectionString string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(postgres.Options{ConnectionString: connectionString, MaxConnections: 2, Timeout: 20 * time.Second, TTL: time.Hour, Hold: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// Servers that share a database let one of them accept, whatever SPIRE knows yet.
func TestServersShareClaims(t *testing.T) {
	database := testpostgres.Start(t).Database(t)
	const servers, each = 3, 10
	evidence := payload(t, nil)
	var plugins []*plugin
	for range servers {
		p := serve(t, newCloud(), &agentStore{}) // whose SPIRE never stores a node
		p.configure(t, sharedClaims(database, ""))
		plugins = append(plugins, p)
	}
	var all sync.WaitGroup
	answers := make(chan codes.Code, servers*each)
	for _, p := range plugins {
		for range each {
			all.Go(func() {
				_, err := p.attest(t, evidence)
				answers <- status.Code(err)
			})
		}
	}
	all.Wait()
	close(answers)
	got := map[codes.Code]int{}
	for code := range answers {
		got[code]++
	}
	if got[codes.OK] != 1 || got[codes.Unavailable] != servers*each-1 {
		t.Errorf("got %v, want one accepted and all others to try again", got)
	}
}

func TestFirstIdentity(t *testing.T) {
	server := testpostgres.Start(t)
	const other = "spiffe://example.org/spire/agent/aws_iid/other"
	for name, tc := range map[string]struct {
		first string // the agent that the machine became before
		more  string // configuration
		code  codes.Code
		want  tofu.First // what is remembered afterwards
	}{
		"never seen":                {want: tofu.First{AgentID: agentID, Uses: 1}},
		"the same agent":            {first: agentID, want: tofu.First{AgentID: agentID, Uses: 2}},
		"another agent":             {first: other, code: codes.PermissionDenied, want: tofu.First{AgentID: other, Uses: 1}},
		"another agent, rule off":   {first: other, more: `enforcement { first_identity = "off" }`, want: tofu.First{AgentID: agentID, Uses: 1}},
		"another agent, a dry run":  {first: other, more: `enforcement { first_identity = "warn" }`, want: tofu.First{AgentID: agentID, Uses: 1}},
		"another agent, in no rule": {first: other, more: `enforcement { tofu = "off" }`, code: codes.PermissionDenied, want: tofu.First{AgentID: other, Uses: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			database := server.Database(t)
			db := openClaims(t, database)
			if tc.first != "" {
				tofutest.Keep(t, tofutest.Take(t, db, true, tc.first, machine))
				server.Exec(t, database, "DELETE FROM gatehouse_claims")
			}
			c := newCloud()
			p := serve(t, c, &agentStore{})
			p.configure(t, sharedClaims(database, "")+tc.more)
			_, err := p.attest(t, payload(t, nil))
			if status.Code(err) != tc.code {
				t.Fatalf("got %v, want %v", err, tc.code)
			}
			if err != nil {
				line := p.logs.only(t)
				if got := fmt.Sprint(line["rules"]); got != "[first_identity]" || !strings.Contains(fmt.Sprint(line["reason"]), "became agent /spire/agent/aws_iid/other at ") {
					t.Errorf("the log says %v", line)
				}
				if c.calls > 0 {
					t.Error("EC2 was asked")
				}
			}
			server.Exec(t, database, "DELETE FROM gatehouse_claims")
			got := *tofutest.Take(t, db, true, "look", machine).First()
			got.Time = time.Time{}
			if got != tc.want {
				t.Errorf("it remembers %+v, want %+v", got, tc.want)
			}
		})
	}
}

// Without claims nobody gets in; with the database back, everybody does.
func TestDatabaseDown(t *testing.T) {
	server := testpostgres.Start(t)
	p := serve(t, newCloud(), &agentStore{})
	server.Stop()
	database := server.ConnectionString("postgres")
	if _, err := p.config.Configure(t.Context(), configure(sharedClaims(database, `timeout = "1m"`))); err != nil {
		t.Fatalf("a database that is down is no bad configuration: %v", err)
	}
	p.logs.next(t, "The database for claims can't be used; until it can, no node is let in")
	p.logs.reset()
	if _, err := p.attest(t, payload(t, nil)); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want Unavailable", err)
	}
	line := p.logs.only(t)
	if line["outcome"] != "unavailable" || !strings.HasPrefix(fmt.Sprint(line["reason"]), "first use: postgres: ") {
		t.Errorf("the log says %v", line)
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Errorf("with the database back: %v", err)
	}
}

// The database goes away while facts are gathered: the node is not let in, and the
// claim that can't be released is reported.
func TestDatabaseGoesDownMeanwhile(t *testing.T) {
	server := testpostgres.Start(t)
	c := newCloud()
	c.onCall = server.Stop
	p := serve(t, c, &agentStore{})
	p.configure(t, sharedClaims(server.Database(t), `timeout = "1m"`))
	if _, err := p.attest(t, payload(t, nil)); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want Unavailable", err)
	}
	line := p.logs.only(t)
	if line["outcome"] != "unavailable" || !strings.HasPrefix(fmt.Sprint(line["reason"]), "first use: postgres: remember the first use of "+machine) ||
		!strings.HasPrefix(fmt.Sprint(line["claim_error"]), "postgres: release "+machine) {
		t.Errorf("the log says %v", line)
	}
}

// A claim that an attestation holds, or that was kept, holds at this server while
// its configuration changes from one backend to another.
func TestReconfigureKeepsClaims(t *testing.T) {
	server := testpostgres.Start(t)
	for name, configs := range map[string]func(one, other string) (before, after string){
		"memory, another ttl":     func(_, _ string) (string, string) { return baseConfig, baseConfig + `claims { claim_ttl = "1m" }` },
		"memory to database":      func(one, _ string) (string, string) { return baseConfig, sharedClaims(one, "") },
		"database to memory":      func(one, _ string) (string, string) { return sharedClaims(one, ""), baseConfig },
		"one database to another": func(one, other string) (string, string) { return sharedClaims(one, ""), sharedClaims(other, "") },
		"the same once more":      func(one, _ string) (string, string) { return sharedClaims(one, ""), sharedClaims(one, "") },
		"the same, another timeout": func(one, _ string) (string, string) {
			return sharedClaims(one, ""), sharedClaims(one, `timeout = "6s"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := configs(server.Database(t), server.Database(t))
			c := newCloud()
			p := serve(t, c, &agentStore{})
			p.configure(t, before)
			var during error
			c.onCall = func() {
				c.onCall = nil
				p.configure(t, after)
				_, during = p.attest(t, payload(t, nil))
			}
			if _, err := p.attest(t, payload(t, nil)); err != nil {
				t.Errorf("the first is not let in: %v", err)
			}
			_, later := p.attest(t, payload(t, nil))
			for when, err := range map[string]error{"during": during, "after": later} {
				if status.Code(err) != codes.Unavailable {
					t.Errorf("%s the first: got %v, want Unavailable", when, err)
				}
			}
		})
	}
}

// An attestation that began with a database that is no longer configured ends with
// it.
func TestReconfigureLeavesAttestationsTheirDatabase(t *testing.T) {
	server := testpostgres.Start(t)
	database := server.Database(t)
	c := newCloud()
	p := serve(t, c, &agentStore{})
	p.configure(t, sharedClaims(database, ""))
	c.onCall = func() { p.configure(t, baseConfig) }
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Fatal(err)
	}
	if got := server.Count(t, database, "SELECT count(*) FROM gatehouse_first_uses"); got != 1 {
		t.Errorf("it remembers %d first uses, want 1", got)
	}
}

// A plugin whose configuration is refused, or only validated, opens no database.
func TestValidateOpensNothing(t *testing.T) {
	p := New(AWSIID())
	for _, text := range []string{sharedClaims("host=db", ""), sharedClaims("host=db", "") + "unknown = 1"} {
		ready, err := p.load(t.Context(), configure(text), false)
		if strings.Contains(text, "unknown") != (err != nil) {
			t.Errorf("got %v", err)
		}
		if err == nil {
			ready.policy.stop()()
		}
		if p.claims.shared != nil {
			t.Error("a database is open")
		}
	}
}

// TestOpenedClaims: what a configuration opens takes nothing away from the one in force
// until it is put in use, and is closed if it never is.
func TestOpenedClaims(t *testing.T) {
	shared := func(name string) claimsConfig {
		return claimsConfig{Backend: claimsInPostgres, ConnectionString: newSecret("host=127.0.0.1 port=1 dbname=" + name), MaxConnections: 1, TTL: time.Minute, Timeout: time.Second}
	}
	open := func(s *claimStore, c claimsConfig) openedClaims {
		t.Helper()
		opened, err := s.open(c, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return opened
	}
	s := newClaimStore(nil)
	defer s.close()
	one := open(s, shared("one"))
	s.use(one)
	if again := open(s, shared("one")); again.shared != one.shared {
		t.Error("the same database is opened twice")
	}
	s.drop(open(s, shared("one"))) // which is in use
	other := open(s, shared("two"))
	if s.shared != one.shared || len(s.retired) > 0 || other.shared == one.shared {
		t.Error("the database in use was replaced by one that was only opened")
	}
	if _, err := s.open(claimsConfig{Backend: claimsInPostgres, ConnectionString: newSecret("port=none")}, 0); err == nil || s.shared != one.shared || len(s.retired) > 0 {
		t.Errorf("a database that can't be opened: %v", err)
	}
	s.drop(other)
	if err := other.shared.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "closed pool") {
		t.Errorf("a dropped database: %v", err)
	}
	if err := one.shared.Ready(t.Context()); err == nil || strings.Contains(err.Error(), "closed pool") {
		t.Errorf("the database in use: %v", err)
	}
	s.use(open(s, claimsConfig{Backend: claimsInMemory, TTL: time.Minute}))
	if s.shared != nil || len(s.retired) != 1 {
		t.Errorf("in memory: %v, %d retired", s.shared, len(s.retired))
	}
}
