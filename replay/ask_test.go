package replay_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/replay"
)

// classesOf are the classes of a report, with the keys of their groups.
func classesOf(r *replay.Report) map[replay.ClassName][]string {
	found := map[replay.ClassName][]string{}
	for _, class := range r.Classes {
		for _, group := range class.Groups {
			found[class.Name] = append(found[class.Name], group.Key)
		}
	}
	return found
}

// TestAskedAsNodes: a candidate is asked what the plugin would ask it of the node, and
// its answer is refused for what the plugin would refuse it for.
func TestAskedAsNodes(t *testing.T) {
	const head = "package gatehouse.aws_iid\n\n"
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	known := changed(t, good, "input.tofu.first", map[string]any{
		"agent_path": pathOf(t, good), "time": "2026-01-01T00:00:00Z", "uses": 1,
	})
	for name, tc := range map[string]struct {
		files map[string]string
		line  string
		want  map[replay.ClassName][]string
	}{
		"first use is not known at first": {
			files: map[string]string{"own.rego": head + "admission_violation contains {\"rule\": \"own\", \"msg\": \"m\"} if not _first\n\n_first if {\n\tinput.tofu.attested == false\n\tinput.tofu.claimed == false\n}\n"},
			line:  good, want: map[replay.ClassName][]string{replay.NewlyDenied: {"own"}},
		},
		"first use is known at the second question": {
			files: map[string]string{"own.rego": head + "admission_violation contains {\"rule\": \"own\", \"msg\": \"m\"} if input.tofu.first.uses == 1\n"},
			line:  known, want: map[replay.ClassName][]string{replay.NewlyDenied: {"own"}},
		},
		"a required fact that there is not": {
			files: map[string]string{"own.rego": head + "required_fact contains \"instnace\"\n"},
			line:  good, want: map[replay.ClassName][]string{replay.NoAnswer: {`rego: gatehouse.aws_iid.admission: asks for fact "…"; aws_iid has eks, instance, instance_profile, organization`}},
		},
		"an optional fact that there is not": {
			files: map[string]string{"own.rego": head + "optional_fact contains \"instnace\"\n"},
			line:  good, want: map[replay.ClassName][]string{replay.NoAnswer: {`rego: gatehouse.aws_iid.admission: asks for fact "…"; aws_iid has eks, instance, instance_profile, organization`}},
		},
		"an optional fact that nobody gathered": {
			files: map[string]string{"own.rego": head + "optional_fact contains \"organization\"\n\nviolation contains {\"rule\": \"own\", \"msg\": \"m\"} if input.facts.organization.state != \"ACTIVE\"\n"},
			line:  good, want: map[replay.ClassName][]string{replay.FactsLacking: {"organization; decided without it"}},
		},
		"a path that depends on first use": {
			files: map[string]string{"own.rego": head + "exempt contains \"first_identity\"\n", "gatehouse/aws_iid/agent_path.rego": head + "agent_path := $\"/spire/agent/aws_iid/{input.evidence.instance_id}/{_uses}\"\n\n_uses := object.get(input, [\"tofu\", \"first\", \"uses\"], 0)\n"},
			line:  known, want: map[replay.ClassName][]string{replay.NoAnswer: {`rego: gatehouse.aws_iid.admission: has an agent_path that depends on input.tofu: "…" became "…"`}},
		},
		"a path that facts don't bring": {
			files: map[string]string{"gatehouse/aws_iid/aws_iid.rego": withoutAdmissionPath(t)},
			line:  good, want: map[replay.ClassName][]string{replay.NoAnswer: {"rego: gatehouse.aws_iid.admission: gives no agent_path, even with all the facts that it asked for"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			report := run(t, replay.Options{Candidate: policy(t, tc.files)}, logOf("log", lines[0], tc.line))
			if diff := cmp.Diff(tc.want, classesOf(report)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", report.Verdict, diff)
			}
		})
	}
}

// withoutAdmissionPath is the baseline's main file with an admission that has no path.
func withoutAdmissionPath(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../policies/gatehouse/aws_iid/aws_iid.rego")
	if err != nil {
		t.Fatal(err)
	}
	const path = `{"agent_path": path | path = agent_path}`
	if strings.Count(string(text), path) != 2 {
		t.Fatalf("%s is not twice in the baseline", path)
	}
	return strings.Replace(string(text), path, "{}", 1)
}

// pathOf is the agent path in the result of a line.
func pathOf(t *testing.T, line string) string {
	t.Helper()
	var event struct {
		Result struct {
			AgentPath string `json:"agent_path"`
		}
	}
	if err := json.Unmarshal([]byte(line), &event); err != nil {
		t.Fatal(err)
	}
	return event.Result.AgentPath
}

// TestTemplateOfTags: a template with tags makes no path where the candidate does not ask for
// the fact with the tags.
func TestTemplateOfTags(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	line := attested(t, lines)
	config := changed(t, lines[0], "result.agent_path_template", "/aws_iid/{{ .Tags.Name }}/{{ .InstanceID }}")
	line = changed(t, line, "input.templated_agent_path", pathOf(t, line))
	for name, tc := range map[string]struct {
		candidate replay.Policy
		want      map[replay.ClassName][]string
	}{
		"asked for": {candidate: replay.Baseline(), want: map[replay.ClassName][]string{}},
		"not asked for": {
			candidate: policy(t, map[string]string{
				"gatehouse/aws_iid/instance_state.rego": "package gatehouse.aws_iid\n", "own.rego": "package gatehouse.aws_iid\n\nexempt contains \"block_device\"\n",
			}),
			want: map[replay.ClassName][]string{replay.NoAnswer: {"rego: gatehouse.aws_iid.admission: gives no agent_path, even with all the facts that it asked for"}},
		},
	} {
		report := run(t, replay.Options{Candidate: tc.candidate}, logOf("log", config, line))
		if diff := cmp.Diff(tc.want, classesOf(report)); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, report.Verdict, diff)
		}
	}
}

// TestRuleOfTwoEffects: a rule may warn of one thing and deny for another.
func TestRuleOfTwoEffects(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	line := attested(t, lines)
	for field, value := range map[string]any{
		"custom.gatehouse.outcome": "denied",
		"custom.gatehouse.rules":   []any{map[string]any{"rule": "age", "effect": "denied"}, map[string]any{"rule": "age", "effect": "warned"}},
		"result.violations":        []any{map[string]any{"rule": "age", "msg": "too old"}},
		"result.warnings":          []any{map[string]any{"rule": "age", "msg": "is getting old"}},
	} {
		line = changed(t, line, field, value)
	}
	report := run(t, replay.Options{Candidate: replay.Baseline()}, logOf("log", lines[0], line))
	if diff := cmp.Diff(map[replay.ClassName][]string{replay.NewlyAllowed: {"age"}}, classesOf(report)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", report.Verdict, diff)
	}
}

// TestNoRule: who was denied by no rule that the log names is let in newly all the same.
func TestNoRule(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	line := changed(t, changed(t, attested(t, lines), "custom.gatehouse.outcome", "denied"), "custom.gatehouse.rules", nil)
	report := run(t, replay.Options{Candidate: replay.Baseline()}, logOf("log", lines[0], line))
	if diff := cmp.Diff(map[replay.ClassName][]string{replay.NewlyAllowed: {"no rule"}}, classesOf(report)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", report.Verdict, diff)
	}
}

// TestSlow: a candidate that takes longer than a server would wait is told of.
func TestSlow(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	for took, want := range map[time.Duration]int{rego.DefaultTimeout - 1: 0, rego.DefaultTimeout: 1} {
		now := time.Time{}
		clock := func() time.Time {
			now = now.Add(took)
			return now
		}
		report, err := replay.Run(t.Context(), []replay.Log{logOf("log", lines[0], attested(t, lines))}, replay.Options{Candidate: replay.Baseline(), Now: clock, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Log.Noted) != want || want > 0 && !strings.HasPrefix(report.Log.Noted[0].Why, "takes the candidate 5s or longer") {
			t.Errorf("%v: noted %+v", took, report.Log.Noted)
		}
	}
}
