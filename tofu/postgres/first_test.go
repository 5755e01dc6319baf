package postgres_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
	"github.com/spire-gatehouse/gatehouse/tofu"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
	"github.com/spire-gatehouse/gatehouse/tofu/tofutest"
)

func TestFirstUse(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	home, away := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::2")
	type use struct {
		agent string
		peer  netip.Addr
	}
	for name, tc := range map[string]struct {
		uses []use
		want []tofu.First // before each use, and at last; Time is the number of the use that it is of
	}{
		"never used": {},
		"used once":  {[]use{{"agent", home}}, []tofu.First{{}, {AgentID: "agent", PeerIP: home, Uses: 1}}},
		"used again, as policy allowed": {[]use{{"agent", home}, {"agent", away}, {"agent", home}}, []tofu.First{
			{}, {AgentID: "agent", PeerIP: home, Uses: 1}, {AgentID: "agent", PeerIP: home, Uses: 2}, {AgentID: "agent", PeerIP: home, Uses: 3}}},
		"as another agent, as policy allowed": {[]use{{"agent 1", home}, {"agent 2", away}}, []tofu.First{
			{}, {AgentID: "agent 1", PeerIP: home, Uses: 1}, {AgentID: "agent 2", PeerIP: away, Uses: 1}}},
		"peer unknown": {[]use{{"agent", netip.Addr{}}}, []tofu.First{{}, {AgentID: "agent", Uses: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			database := server.Database(t)
			c := open(t, patient(database))
			since := tofu.First{}
			check := func(claim tofu.Claim, want tofu.First) {
				t.Helper()
				got := tofu.First{}
				if first := claim.First(); first != nil {
					got = *first
				}
				if renewed := got.AgentID != since.AgentID; renewed != got.Time.After(since.Time) {
					t.Errorf("the time is %v, and was %v", got.Time, since.Time)
				}
				since = got
				want.Time = got.Time
				if got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
			for i, use := range tc.uses {
				claim := tofutest.Take(t, c, true, use.agent, "machine")
				check(claim, tc.want[i])
				if err := claim.Keep(t.Context(), use.peer); err != nil {
					t.Fatal(err)
				}
				server.Exec(t, database, timePasses)
			}
			want := tofu.First{}
			if len(tc.want) > 0 {
				want = tc.want[len(tc.want)-1]
			}
			check(tofutest.Take(t, c, true, "whoever", "machine"), want)
		})
	}
}

// Nobody is let in on what is no longer so.
func TestFirstUseChangesMeanwhile(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	for name, tc := range map[string]struct {
		before    string // the agent that is remembered already
		agent     string // the one that attests
		meanwhile func(t *testing.T, db *postgres.DB)
		lost      bool
	}{
		"nothing happens": {agent: "agent 1"},
		"the machine becomes another agent without a claim": {agent: "agent 1", lost: true, meanwhile: func(t *testing.T, db *postgres.DB) {
			tofutest.Keep(t, tofutest.Take(t, db, false, "agent 2", "machine"))
		}},
		"the same agent, remembered without a claim": {agent: "agent 1", lost: true, meanwhile: func(t *testing.T, db *postgres.DB) {
			tofutest.Keep(t, tofutest.Take(t, db, false, "agent 1", "machine"))
		}},
		"what policy saw is forgotten": {before: "agent 1", agent: "agent 1", meanwhile: forgetMachine},
		"another agent's is forgotten": {before: "agent 1", agent: "agent 2", meanwhile: forgetMachine},
		"what policy saw is replaced": {before: "agent 1", agent: "agent 2", lost: true, meanwhile: func(t *testing.T, db *postgres.DB) {
			forgetMachine(t, db)
			tofutest.Keep(t, tofutest.Take(t, db, false, "agent 3", "machine"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			database := server.Database(t)
			db := open(t, patient(database))
			if tc.before != "" {
				tofutest.Keep(t, tofutest.Take(t, db, true, tc.before, "machine"))
				server.Exec(t, database, timePasses)
			}
			claim := tofutest.Take(t, db, true, tc.agent, "machine")
			if tc.meanwhile != nil {
				tc.meanwhile(t, db)
			}
			if err := claim.Keep(t.Context(), netip.Addr{}); errors.Is(err, tofu.ErrLost) != tc.lost || !tc.lost && err != nil {
				t.Errorf("got %v, want lost: %v", err, tc.lost)
			}
			if err := claim.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if tc.lost { // then nothing is held, either
				tofutest.Take(t, db, true, tc.agent, "machine")
			}
		})
	}
}

func forgetMachine(t *testing.T, db *postgres.DB) {
	t.Helper()
	if forgotten, err := db.Forget(t.Context(), []string{"machine"}); err != nil || len(forgotten) != 1 {
		t.Fatalf("forgot %v, %v", forgotten, err)
	}
}

// Two agents of one machine don't both win, whatever they hold: policy may let
// them in without a claim.
func TestOneAgentAMachine(t *testing.T) {
	t.Parallel()
	c := open(t, patient(testpostgres.Start(t).Database(t)))
	for round := range 20 {
		machine := fmt.Sprint("machine ", round)
		var claims []tofu.Claim
		for i := range 10 {
			claims = append(claims, tofutest.Take(t, c, i == 0, fmt.Sprint("agent ", round, " ", i), machine))
		}
		won := make(chan tofu.Claim, len(claims))
		var all sync.WaitGroup
		for _, claim := range claims {
			all.Go(func() {
				err := claim.Keep(t.Context(), netip.Addr{})
				if err == nil {
					won <- claim
				} else if !errors.Is(err, tofu.ErrLost) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Errorf("%d agents of one machine won, want 1", len(won))
		}
	}
}
