package rego_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// explained is a policy with a rule of most kinds, in two files.
var explained = map[string]string{
	"gatehouse/fake/checks.rego": `package gatehouse.fake

# METADATA
# title: The account is ours
# description: By its number.
admission_violation contains {"rule": "account", "msg": $"account {input.evidence.account}"} if {
	not input.evidence.account in data.gatehouse.config.accounts
}

violation contains {"rule": "state", "msg": "off"} if not _on

violation contains reason if some reason in data.lists.reasons

exempt contains "state" if input.evidence.account == "4"

_on if input.facts.machine.state == "on"

_on if input.facts.machine.kind in data.lists.kinds
`,
	"gatehouse/fake/rest.rego": `package gatehouse.fake

required_fact contains "machine"

optional_fact contains "network" if input.evidence.network

warning contains {"rule": "size", "msg": "large"} if count(data.lists.large) > 1

# METADATA
# title: The path
agent_path := "/spire/agent/fake/four" if {
	input.evidence.account == "4"
} else := $"/spire/agent/fake/{input.evidence.account}"

default can_reattest := false

selector contains $"tag:{tag}" if some tag in input.facts.machine.tags
`,
}

func newExplained(t *testing.T, enforcement map[string]any) *rego.Engine {
	t.Helper()
	fsys := fstest.MapFS{
		"lists/data.json":          {Data: []byte(`{"kinds": ["spot"], "reasons": [], "large": ["` + strings.Repeat("x", 5000) + `", ""]}`)},
		"gatehouse/fake/fake.rego": {Data: []byte(answers)},
		"schemas/fake.json":        {Data: []byte(`{}`)},
		"schemas/fake_config.json": {Data: []byte(`{}`)},
	}
	for name, text := range explained {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	engine, err := rego.New(t.Context(), rego.Options{Plugin: "fake", Policy: fsys, Config: map[string]any{
		"accounts":    []any{"3", "4"},
		"enforcement": enforcement,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// answers puts the answers together.
const answers = `# METADATA
# scope: package
# schemas:
#   - input: schema.fake
#   - data.gatehouse.config: schema.fake_config
package gatehouse.fake

admission := {
	"violations": admission_violation,
	"exempt": exempt,
	"facts": {"required": required_fact, "optional": optional_fact},
	"agent_path": agent_path,
}

decision := {
	"violations": admission_violation | violation,
	"exempt": exempt,
	"agent_path": agent_path,
	"selectors": selector,
	"can_reattest": can_reattest,
	"warnings": warning,
}

# A declaration, which is no part of an explanation.
selector contains value if {
	input.plugin == ""
	some value in _none
}

_none := set()
`

func explainedInput(account string, facts map[string]any) rego.Input {
	return rego.Input{
		Plugin: "fake", TrustDomain: "example.org", Time: time.Unix(0, 0),
		Evidence: map[string]any{"account": account},
		Facts:    facts,
	}
}

func TestExplain(t *testing.T) {
	in := explainedInput("5", map[string]any{"machine": map[string]any{"state": "off", "tags": []string{"b", "a"}}})
	got, err := newExplained(t, map[string]any{}).Explain(t.Context(), in, rego.TraceNothing)
	if err != nil {
		t.Fatal(err)
	}
	const checks, rest = "gatehouse/fake/checks.rego", "gatehouse/fake/rest.rego"
	account := rego.Read{Ref: "input.evidence.account", Value: "5"}
	want := rego.Explanation{Parts: []rego.Part{
		{
			Of: "admission_violation", Asked: true, Effect: rego.EffectDenied,
			Rule:   rego.Rule{Name: "account", Title: "The account is ours", Description: "By its number.", File: checks, Line: 6},
			Values: []any{map[string]any{"rule": "account", "msg": "account 5"}},
			Reads:  []rego.Read{{Ref: "data.gatehouse.config.accounts", Value: []any{"3", "4"}}, account},
		},
		{
			Of: "violation", Asked: true, Rule: rego.Rule{File: checks, Line: 12},
			Reads: []rego.Read{{Ref: "data.lists.reasons", Value: []any{}}},
		},
		{
			Of: "violation", Asked: true, Effect: rego.EffectDenied,
			Rule:   rego.Rule{Name: "state", File: checks, Line: 10},
			Values: []any{map[string]any{"rule": "state", "msg": "off"}},
			Reads: []rego.Read{
				{Ref: "data.lists.kinds", Value: []any{"spot"}},
				{Ref: "input.facts.machine.kind", Missing: true},
				{Ref: "input.facts.machine.state", Value: "off"},
			},
		},
		{
			Of: "warning", Asked: true, Rule: rego.Rule{File: rest, Line: 7},
			Values: []any{map[string]any{"rule": "size", "msg": "large"}},
			Reads:  []rego.Read{{Ref: "data.lists.large", Bytes: 5007}},
		},
		{Of: "exempt", Asked: true, Rule: rego.Rule{File: checks, Line: 14}, Reads: []rego.Read{account}},
		{Of: "required_fact", Asked: true, Rule: rego.Rule{File: rest, Line: 3}, Values: []any{"machine"}},
		{
			Of: "optional_fact", Asked: true, Rule: rego.Rule{File: rest, Line: 5},
			Reads: []rego.Read{{Ref: "input.evidence.network", Missing: true}},
		},
		{
			Of: "agent_path", Asked: true, Rule: rego.Rule{Title: "The path", File: rest, Line: 11},
			Values: []any{"/spire/agent/fake/5"}, Reads: []rego.Read{account},
		},
		{Of: "can_reattest", Asked: true, Rule: rego.Rule{File: rest, Line: 15}, Values: []any{false}},
		{
			Of: "selector", Asked: true, Rule: rego.Rule{File: rest, Line: 17},
			Values: []any{"tag:a", "tag:b"},
			Reads:  []rego.Read{{Ref: "input.facts.machine.tags", Value: []any{"b", "a"}}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestExplainAtAdmission: what is of the decision is not asked.
func TestExplainAtAdmission(t *testing.T) {
	got, err := newExplained(t, map[string]any{}).Explain(t.Context(), explainedInput("5", nil), rego.TraceNothing)
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string][2]bool{}
	for _, part := range got.Parts {
		asked[part.Of] = [2]bool{part.Asked, part.Fired()}
	}
	want := map[string][2]bool{
		"admission_violation": {true, true}, "violation": {false, false}, "warning": {false, false},
		"exempt": {true, false}, "required_fact": {true, true}, "optional_fact": {true, false},
		"agent_path": {true, true}, "can_reattest": {false, false}, "selector": {false, false},
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

func TestEffects(t *testing.T) {
	off := map[string]any{"machine": map[string]any{"state": "off"}}
	for name, tc := range map[string]struct {
		account string
		mode    any
		want    string
	}{
		"denied":                  {"5", "deny", rego.EffectDenied},
		"warned":                  {"5", "warn", rego.EffectWarned},
		"off":                     {"5", "off", rego.EffectOff},
		"exempt":                  {"4", "deny", rego.EffectExempt},
		"exempt before warned":    {"4", "warn", rego.EffectExempt},
		"dropped before exempted": {"4", "off", rego.EffectOff},
	} {
		t.Run(name, func(t *testing.T) {
			engine := newExplained(t, map[string]any{"account": "off", "state": tc.mode})
			got, err := engine.Explain(t.Context(), explainedInput(tc.account, off), rego.TraceNothing)
			if err != nil {
				t.Fatal(err)
			}
			effects := map[string]string{}
			for _, part := range got.Parts {
				effects[part.Name] += part.Effect
			}
			if effects["state"] != tc.want {
				t.Errorf("effects are %v, want %s", effects, tc.want)
			}
		})
	}
}

func TestExplainTraces(t *testing.T) {
	engine := newExplained(t, map[string]any{})
	in := explainedInput("5", map[string]any{})
	for level, want := range map[rego.TraceLevel]string{
		rego.TraceNothing: "",
		rego.TraceNotes:   "",
		rego.TraceFails:   "| Fail tag = input.facts.machine.tags[",
		rego.TraceFull:    "| Exit data.gatehouse.fake.decision",
	} {
		got, err := engine.Explain(t.Context(), in, level)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Trace == nil) != (level == rego.TraceNothing) {
			t.Errorf("%q: the trace is %v", level, got.Trace)
		}
		if text := strings.Join(got.Trace, "\n"); !strings.Contains(text, want) || want == "" && text != "" {
			t.Errorf("%q: no %q in\n%s", level, want, text)
		}
	}
	// Before there are facts, the admission is traced.
	got, err := engine.Explain(t.Context(), explainedInput("5", nil), rego.TraceFull)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(got.Trace, "\n"); !strings.Contains(text, "Enter data.gatehouse.fake.admission") || strings.Contains(text, "fake.decision") {
		t.Errorf("the trace of the admission is\n%s", text)
	}
}

// TestExplainTraceIsBounded: a policy that takes many steps fills no memory.
func TestExplainTraceIsBounded(t *testing.T) {
	text := strings.Replace(answers, "_none := set()", "_none := set()\n\nviolation contains {\"rule\": \"many\", \"msg\": \"many\"} if {\n\tsome n in numbers.range(1, 100000)\n\tn == 0\n}\n", 1)
	fsys := fstest.MapFS{
		"gatehouse/fake/fake.rego": {Data: []byte(text)},
		"schemas/fake.json":        {Data: []byte(`{}`)},
		"schemas/fake_config.json": {Data: []byte(`{}`)},
	}
	for name, text := range explained {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	engine := newEngine(t, rego.Options{Plugin: "fake", Policy: fsys, Timeout: time.Minute, Config: map[string]any{"accounts": []any{}}})
	got, err := engine.Explain(t.Context(), explainedInput("5", map[string]any{}), rego.TraceFull)
	if err != nil {
		t.Fatal(err)
	}
	const most = 200_000
	if lines := len(got.Trace); lines < 1000 || lines > most+1 {
		t.Errorf("the trace has %d lines", lines)
	}
	if last := got.Trace[len(got.Trace)-1]; !strings.HasPrefix(last, "… and what came of ") {
		t.Errorf("the last line is %q", last)
	}
}

func TestExplainRefusesAnInputThatIsNone(t *testing.T) {
	in := explainedInput("5", nil)
	in.Evidence = nil
	_, err := newExplained(t, map[string]any{}).Explain(t.Context(), in, rego.TraceNothing)
	if err == nil || err.Error() != "rego: gatehouse.fake.admission: input has no evidence" {
		t.Errorf("got %v", err)
	}
}

// TestExplainAgreesWithDecide: the parts of the baseline have all that its answer
// has, and nothing else.
func TestExplainAgreesWithDecide(t *testing.T) {
	engine := baselineEngine(t, everyRuleOptions().Config)
	samples, err := policies.Samples("aws_iid")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(samples, "*.json")
	if err != nil || len(names) < 3 {
		t.Fatalf("samples %v: %v", names, err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(samples, name)
		if err != nil {
			t.Fatal(err)
		}
		in, err := rego.DecodeInput(text)
		if err != nil {
			t.Fatal(err)
		}
		decision, err := engine.Decide(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		explanation, err := engine.Explain(t.Context(), in, rego.TraceNothing)
		if err != nil {
			t.Fatal(err)
		}
		given := map[string][]string{}
		for _, part := range explanation.Parts {
			for _, value := range part.Values {
				if reason, ok := value.(map[string]any); ok {
					value = reason["msg"]
				}
				text := fmt.Sprint(value)
				of := strings.TrimPrefix(part.Of, "admission_")
				if !slices.Contains(given[of], text) {
					given[of] = append(given[of], text)
				}
			}
		}
		want := map[string][]string{
			"agent_path": {decision.AgentPath}, "exempt": decision.Exempt,
			"can_reattest": {"false"}, "required_fact": {"eks", "instance", "instance_profile", "organization"},
		}
		for _, v := range decision.Violations {
			want["violation"] = append(want["violation"], v.Msg)
		}
		if len(decision.Denials()) == 0 {
			want["selector"] = decision.Selectors
		}
		for of := range want {
			slices.Sort(given[of])
			slices.Sort(want[of])
			if !slices.Equal(given[of], want[of]) {
				t.Errorf("%s: %s are %q, the answer has %q", name, of, given[of], want[of])
			}
		}
	}
}
