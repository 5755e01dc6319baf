package replay_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// TestRefusedByTemplate: where a template with tags makes no path of a node's, policy has a
// say all the same: it may deny the node before there are tags, or give the path itself.
func TestRefusedByTemplate(t *testing.T) {
	const head, other = "package gatehouse.aws_iid\n\n", `input.evidence.account_id == "777777777777"`
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	let := changed(t, good, "input.templated_agent_path", pathOf(t, good))
	refused := good // of another account, about which policies differ
	for field, value := range map[string]any{
		"path": "gatehouse/aws_iid/admission", "result": nil, "input.tofu": nil, "input.evidence.account_id": "777777777777",
		"custom.gatehouse.outcome": "denied", "custom.gatehouse.error": "no tag Name", "custom.gatehouse.agent_id": nil,
		"custom.gatehouse.rules": []any{map[string]any{"rule": "agent_path_template", "effect": "denied"}},
	} {
		refused = changed(t, refused, field, value)
	}
	baseline := replay.Baseline()
	named := policy(t, map[string]string{"gatehouse/aws_iid/agent_path.rego": head + "agent_path := $\"/spire/agent/aws_iid/{input.evidence.instance_id}\" if {\n\t" + other + "\n} else := input.templated_agent_path\n"})
	denying := policy(t, map[string]string{"own.rego": head + "admission_violation contains {\"rule\": \"own\", \"msg\": \"m\"} if " + other + "\n"})
	failing := policy(t, map[string]string{"own.rego": head + "required_fact contains \"instnace\" if " + other + "\n"})
	const noSay = "was refused by the plugin and not by policy: agent_path_template"
	for name, tc := range map[string]struct {
		template, line string // none: with a tag, and refused by it
		candidate      replay.Policy
		against        *replay.Policy
		want           map[replay.ClassName][]string
		skipped        string
	}{
		"a candidate that waits for the path": {candidate: baseline, skipped: noSay},
		"one that gives it":                   {candidate: named, want: map[replay.ClassName][]string{replay.FactsLacking: {"tofu; refused then by agent_path_template"}}},
		"one that denies the node":            {candidate: denying, want: map[replay.ClassName][]string{replay.OtherReasons: {"agent_path_template → own"}}},
		"one that fails":                      {candidate: failing, want: map[replay.ClassName][]string{replay.NoAnswer: {`rego: gatehouse.aws_iid.admission: asks for fact "…"; aws_iid has eks, instance, instance_profile, organization`}}},

		"two that wait for the path":              {candidate: baseline, against: &baseline, skipped: noSay},
		"one that gives it, and one that waits":   {candidate: named, against: &baseline, want: map[replay.ClassName][]string{replay.FactsLacking: {"tofu; refused then by agent_path_template"}}},
		"one that waits, and one that denies":     {candidate: baseline, against: &denying, want: map[replay.ClassName][]string{replay.OtherReasons: {"own → agent_path_template"}}},
		"one that waits, and one that gives it":   {candidate: baseline, against: &named, skipped: "lacks facts without which policy candidate can't be told, so that there is nothing to compare: tofu"},
		"two that deny the node":                  {candidate: denying, against: &denying},
		"a template without tags":                 {template: "/aws_iid/{{ .InstanceID }}", candidate: named, skipped: noSay},
		"denied by another rule, without result":  {line: changed(t, refused, "custom.gatehouse.rules", []any{map[string]any{"rule": "age", "effect": "denied"}}), candidate: named, skipped: "has no result to compare with"},
		"denied for now, by no rule, nor result":  {line: changed(t, changed(t, refused, "custom.gatehouse.rules", nil), "custom.gatehouse.outcome", "denied_for_now"), candidate: named, skipped: "has no result to compare with"},
		"denied without result, against a policy": {line: changed(t, changed(t, let, "custom.gatehouse.outcome", "denied"), "result", nil), candidate: baseline, against: &baseline},
	} {
		t.Run(name, func(t *testing.T) {
			template, line := "/aws_iid/{{ .Tags.Name }}/{{ .InstanceID }}", refused
			if tc.template != "" {
				template = tc.template
			}
			if tc.line != "" {
				line = tc.line
			}
			config := changed(t, lines[0], "result.agent_path_template", template)
			report := run(t, replay.Options{Candidate: tc.candidate, Against: tc.against}, logOf("log", config, let, line))
			var want []replay.Remark
			if tc.skipped != "" {
				want = []replay.Remark{{Why: tc.skipped, Lines: 1, First: "log:3"}}
			}
			if tc.want == nil {
				tc.want = map[replay.ClassName][]string{}
			}
			if diff := cmp.Diff(want, report.Log.Skipped, cmp.AllowUnexported(replay.Remark{})); diff != "" {
				t.Errorf("skipped (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, classesOf(report)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", report.Verdict, diff)
			}
		})
	}
}
