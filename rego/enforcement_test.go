package rego_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// enforced is the baseline with an enforcement, and files added.
func enforced(t *testing.T, enforcement any, files map[string]string) rego.Options {
	opts := overlayOptions(t, files)
	opts.Config = map[string]any{"partition": "aws", "enforcement": enforcement}
	return opts
}

// checks are two rules that every node violates, and a remark.
const checks = `package gatehouse.aws_iid

admission_violation contains {"rule": "early", "msg": "e"}

violation contains {"rule": "late", "msg": "l1"}

violation contains {"rule": "late", "msg": "l2"}

warning contains {"rule": "late", "msg": "l1"}

warning contains {"rule": "zebra", "msg": "z"}

exempt contains "late" if input.trust_domain == "exempt.test"
`

func TestEnforcement(t *testing.T) {
	early, l1, l2 := rego.Violation{Rule: "early", Msg: "e"}, rego.Violation{Rule: "late", Msg: "l1"}, rego.Violation{Rule: "late", Msg: "l2"}
	zebra := rego.Violation{Rule: "zebra", Msg: "z"}
	type reasons []rego.Violation
	type answer struct{ Violations, Denials, Warnings reasons }
	tests := map[string]struct {
		enforcement         any
		trustDomain         string
		admission, decision answer
	}{
		"nothing configured": {
			enforcement: map[string]any{},
			admission:   answer{reasons{early}, reasons{early}, nil},
			decision:    answer{reasons{early, l1, l2}, reasons{early, l1, l2}, reasons{l1, zebra}},
		},
		"deny": {
			enforcement: map[string]any{"early": "deny", "late": "deny"},
			admission:   answer{reasons{early}, reasons{early}, nil},
			decision:    answer{reasons{early, l1, l2}, reasons{early, l1, l2}, reasons{l1, zebra}},
		},
		"warn": {
			enforcement: map[string]string{"early": "warn", "late": "warn"},
			admission:   answer{nil, nil, reasons{early}},
			decision:    answer{nil, nil, reasons{early, l1, l2, zebra}},
		},
		"off": {
			enforcement: map[string]any{"early": "off", "late": "off"},
			admission:   answer{nil, nil, nil},
			decision:    answer{nil, nil, reasons{l1, zebra}},
		},
		"one of them": {
			enforcement: map[string]any{"late": "warn"},
			admission:   answer{reasons{early}, reasons{early}, nil},
			decision:    answer{reasons{early}, reasons{early}, reasons{l1, l2, zebra}},
		},
		"exempt anyway": {
			enforcement: map[string]any{"early": "off", "late": "warn"},
			trustDomain: "exempt.test",
			admission:   answer{nil, nil, nil},
			decision:    answer{reasons{l1, l2}, nil, reasons{l1, zebra}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			engine := newEngine(t, enforced(t, tt.enforcement, map[string]string{extra: checks}))
			in := decisionInput()
			if tt.trustDomain != "" {
				in.TrustDomain = tt.trustDomain
			}
			decision, err := engine.Decide(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if got := (answer{decision.Violations, decision.Denials(), decision.Warnings}); !reflect.DeepEqual(got, tt.decision) {
				t.Errorf("decision\n got %+v\nwant %+v", got, tt.decision)
			}
			if refused := len(tt.decision.Denials) > 0; refused == (decision.Selectors != nil) {
				t.Errorf("got selectors %v, refused is %v", decision.Selectors, refused)
			}
			in.Facts, in.FactsStatus = nil, nil
			admission, err := engine.Admit(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if got := (answer{admission.Violations, admission.Denials(), admission.Warnings}); !reflect.DeepEqual(got, tt.admission) {
				t.Errorf("admission\n got %+v\nwant %+v", got, tt.admission)
			}
		})
	}
}

// Turning first use down is the operator's choice too.
func TestEnforcementOfTheBaseline(t *testing.T) {
	engine := newEngine(t, enforced(t, map[string]any{"tofu": "warn"}, nil))
	in := decisionInput()
	in.Tofu.Attested = true
	got, err := engine.Decide(t.Context(), in)
	want := []rego.Violation{{Rule: "tofu", Msg: "agent " + goodPath + " has attested before; evict it to let the instance attest again"}}
	if err != nil || got.Violations != nil || !reflect.DeepEqual(got.Warnings, want) || got.AgentPath != goodPath {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A rule that is turned down does not excuse an answer of a bad shape.
func TestEnforcementLeavesTheGuard(t *testing.T) {
	engine := newEngine(t, enforced(t, map[string]any{"early": "off"}, map[string]string{
		extra: "package gatehouse.aws_iid\n\nadmission_violation contains {\"rule\": \"early\", \"msg\": \"e\"}\n\nselector contains \"\"\n",
	}))
	_, err := engine.Decide(t.Context(), decisionInput())
	if err == nil || !strings.HasSuffix(err.Error(), `selectors: "" is empty`) {
		t.Errorf("got %v", err)
	}
}

func TestEnforcementIsRefused(t *testing.T) {
	all := "there are account, block_device, eks_cluster, first_identity, instance_state, organization, partition, signature_strength, tofu"
	tests := map[string]struct {
		enforcement any
		want        []string
	}{
		"no object":    {[]string{"tofu"}, []string{"configuration: enforcement is no object"}},
		"null":         {nil, []string{"configuration: enforcement is no object"}},
		"unknown mode": {map[string]any{"tofu": "audit"}, []string{`configuration: enforcement of "tofu" is "audit", not "deny", "warn" or "off"`}},
		"upper case":   {map[string]any{"tofu": "Warn"}, []string{`configuration: enforcement of "tofu" is "Warn", not "deny", "warn" or "off"`}},
		"boolean":      {map[string]any{"tofu": false}, []string{`configuration: enforcement of "tofu" is false, not "deny", "warn" or "off"`}},
		"empty":        {map[string]any{"tofu": ""}, []string{`configuration: enforcement of "tofu" is "", not "deny", "warn" or "off"`}},
		"misspelt": {map[string]any{"organisation": "off", "tofuu": "off"}, []string{
			`configuration: enforcement of "organisation": no policy has a rule of that name; did you mean organization?`,
			`configuration: enforcement of "tofuu": no policy has a rule of that name; did you mean tofu?`,
		}},
		"unknown": {map[string]any{"region": "off"}, []string{
			`configuration: enforcement of "region": no policy has a rule of that name; ` + all,
		}},
		"very long": {map[string]any{strings.Repeat("x", 1<<16): "off"}, []string{all}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := rego.New(t.Context(), enforced(t, tt.enforcement, nil))
			if err == nil {
				t.Fatal("loaded")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

// Of a policy that computes the names of its rules nobody can tell which it has.
func TestEnforcementOfComputedNames(t *testing.T) {
	for name, module := range map[string]string{
		"computed":     `violation contains {"rule": concat("_", ["a", input.evidence.region]), "msg": "m"}`,
		"from another": "violation contains reason if some reason in data.lib.violations",
		"comprehended": `violation contains reason if some reason in {r | some r in _none}`,
		"from a set": `_some := {{"rule": "x", "msg": "m"}}

violation contains reason if some reason in _some`,
		"no rule": `admission_violation contains {"msg": "m"}`,
	} {
		t.Run(name, func(t *testing.T) {
			newEngine(t, enforced(t, map[string]any{"a_us-west-2": "warn"}, map[string]string{
				extra: "package gatehouse.aws_iid\n\n" + module + "\n",
			}))
		})
	}
}
