package postgres_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
	"github.com/spire-gatehouse/gatehouse/tofu/tofutest"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	database := server.Database(t)
	db := open(t, patient(database))
	running := postgres.Held{Machine: "machine 1", AgentID: "agent 1"}
	kept := postgres.Held{Machine: "machine 2", AgentID: "agent 2", Kept: true}
	used := postgres.FirstUse{Machine: "machine 2", AgentID: "agent 2", PeerIP: "10.0.0.2", Uses: 1}
	before := postgres.FirstUse{Machine: "machine 3", AgentID: "agent 3", Uses: 1}

	tofutest.Keep(t, tofutest.Take(t, db, true, "agent 3", "machine 3"))
	server.Exec(t, database, timePasses)
	tofutest.Take(t, db, true, "agent 1", "machine 1")
	if err := tofutest.Take(t, db, true, "agent 2", "machine 2").Keep(t.Context(), netip.MustParseAddr("10.0.0.2")); err != nil {
		t.Fatal(err)
	}

	for name, tc := range map[string]struct {
		names []string
		limit int
		want  postgres.Records
	}{
		"all":        {nil, 2, postgres.Records{Claims: []postgres.Held{running, kept}, FirstUses: []postgres.FirstUse{used, before}}},
		"one":        {nil, 1, postgres.Records{Claims: []postgres.Held{running}, FirstUses: []postgres.FirstUse{used}, More: true}},
		"by machine": {[]string{"machine 2"}, 9, postgres.Records{Claims: []postgres.Held{kept}, FirstUses: []postgres.FirstUse{used}}},
		"by agent":   {[]string{"agent 3", "agent 1"}, 9, postgres.Records{Claims: []postgres.Held{running}, FirstUses: []postgres.FirstUse{before}}},
		"no such":    {[]string{"agent"}, 9, postgres.Records{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := db.List(t.Context(), tc.names, tc.limit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, withoutTimes, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}

	forgotten, err := db.Forget(t.Context(), []string{"agent 3", "nobody"})
	if diff := cmp.Diff([]postgres.FirstUse{before}, forgotten, withoutTimes); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if first := tofutest.Take(t, db, true, "agent 4", "machine 3").First(); first != nil {
		t.Errorf("it remembers %+v", first)
	}
	if forgotten, err := db.Forget(t.Context(), nil); err != nil || len(forgotten) != 0 {
		t.Errorf("no names: forgot %v, %v", forgotten, err)
	}
}

func TestForgetUnused(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	database := server.Database(t)
	db := open(t, patient(database))
	for _, machine := range []string{"old", "renewed", "new"} {
		tofutest.Keep(t, tofutest.Take(t, db, true, machine+" agent", machine))
	}
	server.Exec(t, database, "UPDATE gatehouse_first_uses SET used = used - interval '2 days' WHERE machine <> 'new'")
	server.Exec(t, database, "UPDATE gatehouse_first_uses SET last_used = used WHERE machine = 'old'")
	forgotten, err := db.ForgetUnused(t.Context(), 24*time.Hour)
	want := []postgres.FirstUse{{Machine: "old", AgentID: "old agent", Uses: 1}}
	if diff := cmp.Diff(want, forgotten, withoutTimes); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// withoutTimes compares all but times, which must be there.
var withoutTimes = cmp.Comparer(func(a, b time.Time) bool { return a.IsZero() != b.IsZero() })
