package replay_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// TestRecordedOutOfShape: an answer that was refused for its shape let nobody in, whatever
// can be read of it.
func TestRecordedOutOfShape(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	internal := changed(t, changed(t, good, "custom.gatehouse.outcome", "internal"), "custom.gatehouse.error", "decide: no answer")
	want := map[replay.ClassName][]string{replay.NewlyAllowed: {"no answer"}}
	for name, line := range map[string]string{
		"in shape":                      internal,
		"no result":                     changed(t, internal, "result", nil),
		"a result that is a text":       changed(t, internal, "result", "allow"),
		"a violation that says nothing": changed(t, internal, "result.violations", []any{map[string]any{"rule": "r", "msg": ""}}),
		"violations that are no list":   changed(t, internal, "result.violations", map[string]any{"rule": "r", "msg": "m"}),
		"another path":                  changed(t, internal, "result.agent_path", "/spire/agent/azure_msi/x"),
	} {
		t.Run(name, func(t *testing.T) {
			report := run(t, replay.Options{Candidate: replay.Baseline()}, logOf("log", lines[0], good, line))
			if diff := cmp.Diff(want, classesOf(report)); diff != "" || report.Verdict != replay.Changes || report.Log.Replayed != 2 {
				t.Fatalf("verdict %s, log %+v (-want +got):\n%s", report.Verdict, report.Log, diff)
			}
			old := report.Classes[0].Groups[0].Samples[0].Old
			if diff := cmp.Diff(&replay.Answer{Outcome: replay.Failed, Error: "decide: no answer", AgentPath: pathOf(t, good)}, old); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
		})
	}
}
