package replay

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/e2e/recording"
	"github.com/spire-gatehouse/gatehouse/replay"
)

type instance = recording.Instance

// effect is what a candidate changes: for each class, which of a fleet's instances are
// in it. In all others there is none.
type effect struct {
	verdict replay.Verdict
	classes map[replay.ClassName]func(instance) bool
}

// candidates are those of testdata/replay. None changes anything for Azure's machines.
var candidates = map[string]effect{
	"team_required": {replay.Changes, map[replay.ClassName]func(instance) bool{
		replay.NewlyDenied: func(m instance) bool { return m.Admitted() && m.Team == "" },
		// That EC2 knows of no instance is to know of no tag.
		replay.OtherReasons: func(m instance) bool { return m.Decided() && !m.Sound() && (m.Team == "" || m.Unknown) },
	}},
	"volumes_trusted": {replay.Changes, map[replay.ClassName]func(instance) bool{
		replay.NewlyAllowed: func(m instance) bool { return m.Decided() && m.Replaced && running(m) },
		// What EC2 doesn't know has no volume either.
		replay.OtherReasons: func(m instance) bool { return m.Decided() && !running(m) && (m.Replaced || m.Unknown) },
		replay.Exemptions:   instance.Admitted,
	}},
	"shorter_path": {replay.Dangerous, map[replay.ClassName]func(instance) bool{
		// One that was turned away as a replay was so before facts were gathered, under an
		// ID that is another one now.
		replay.AgentIDChanged: instance.Admitted,
		replay.FactsLacking:   instance.Replayed,
	}},
	"other_selectors": {replay.Dangerous, map[replay.ClassName]func(instance) bool{ // an entry loses nodes
		replay.SelectorsLost:   instance.Admitted,
		replay.SelectorsGained: instance.Admitted,
		replay.Reattestation:   func(m instance) bool { return m.Admitted() && m.Env == "staging" },
		replay.Warnings:        func(m instance) bool { return m.Admitted() && m.Image == "ami-0aaaaaaaaaaaaaaaa" },
	}},
	"organization_required": {replay.Changes, map[replay.ClassName]func(instance) bool{
		replay.FactsLacking: instance.Decided,
	}},
	"team_selector": {replay.Dangerous, map[replay.ClassName]func(instance) bool{
		replay.NoAnswer:        func(m instance) bool { return m.Admitted() && m.Team == "" },
		replay.SelectorsGained: func(m instance) bool { return m.Admitted() && m.Team != "" },
	}},
}

func running(m instance) bool { return !m.Unknown && m.State == "running" }

// check holds a report about a recording of a fleet against the effect: how many nodes
// are in each class, and whether those that are shown belong there.
func (e effect) check(t *testing.T, fleet recording.Fleet, report *replay.Report) {
	t.Helper()
	got, want := map[replay.ClassName]int{}, map[replay.ClassName]int{}
	belongs := map[replay.ClassName]map[string]bool{}
	for class, in := range e.classes {
		belongs[class] = map[string]bool{}
		for _, m := range fleet.Instances {
			if in(m) {
				belongs[class][m.Node()] = true
			}
		}
		if want[class] = len(belongs[class]); want[class] == 0 {
			t.Errorf("the fleet has nobody for class %s: the test shows nothing", class)
		}
	}
	for _, class := range report.Classes {
		got[class.Name] = class.Nodes
		for _, group := range class.Groups {
			for _, sample := range group.Samples {
				if !belongs[class.Name][sample.Node] {
					t.Errorf("%s is in class %s: decision %s", sample.Node, class.Name, sample.DecisionID)
				}
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("nodes by class (-want +got):\n%s", diff)
	}
}
