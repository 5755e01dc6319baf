package rego_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/spire-gatehouse/gatehouse/rego"
)

func TestRedact(t *testing.T) {
	event := ast.MustParseTerm(`{
		"decision_id": "d", "path": "gatehouse/aws_iid/decision",
		"input": {"peer": {"ip": "10.0.0.1"}, "facts": {"instance": {"tags": {"cost center/eu": "7", "Name": "blog"}}}},
	}`).Value
	for name, tc := range map[string]struct {
		policy string
		want   rego.Redaction
		err    string // a part of it
	}{
		"undefined": {policy: `mask contains "/input" if input.path == "other"`},
		"paths and operations": {
			policy: `mask contains "/input/facts/instance/tags/Name"

mask contains {"op": "upsert", "path": "/input/peer/ip", "value": "masked"}

mask contains {"op": "remove", "path": "/result/selectors"}`,
			want: rego.Redaction{Masks: []rego.Mask{
				{Path: []string{"input", "facts", "instance", "tags", "Name"}},
				{Path: []string{"result", "selectors"}},
				{Path: []string{"input", "peer", "ip"}, Replace: true, Value: "masked"},
			}},
		},
		"a list of them": {
			policy: `mask := ["/result", "/input"]`,
			want:   rego.Redaction{Masks: []rego.Mask{{Path: []string{"result"}}, {Path: []string{"input"}}}},
		},
		"keys as they are and as in a URL": {
			policy: `mask contains "/input/facts/instance/tags/cost center%2Feu"

mask contains concat("/", ["/input/facts/instance/tags", urlquery.encode(key)]) if some key in ["a/b"]`,
			want: rego.Redaction{Masks: []rego.Mask{
				{Path: []string{"input", "facts", "instance", "tags", "a/b"}},
				{Path: []string{"input", "facts", "instance", "tags", "cost center/eu"}},
			}},
		},
		"drop":           {policy: `drop if input.path == "gatehouse/aws_iid/decision"`, want: rego.Redaction{Drop: true}},
		"drop not":       {policy: `drop := false`},
		"drop what":      {policy: `drop := "yes"`, err: "system.log.drop is a string, not a boolean"},
		"mask what":      {policy: `mask := "/input"`, err: "system.log.mask: is a string, not a set"},
		"mask nothing":   {policy: `mask contains ""`, err: "does not begin with a slash"},
		"mask the ID":    {policy: `mask contains "/decision_id"`, err: "begins with none of /input, /result, /custom, /requested_by"},
		"bad escape":     {policy: `mask contains "/input/%zz"`, err: `invalid URL escape "%zz"`},
		"bad operation":  {policy: `mask contains {"op": "hash", "path": "/input"}`, err: `op is neither "remove" nor "upsert"`},
		"no operation":   {policy: `mask contains {"path": "/input"}`, err: `lacks the key "op"`},
		"number":         {policy: `mask contains 1`, err: "is a number, not an object"},
		"too many":       {policy: `mask contains sprintf("/input/%d", [i]) if some i in numbers.range(1, 1001)`, err: "there are 1001, more than 1000"},
		"built-in fails": {policy: `mask contains "/input" if json.unmarshal(input.decision_id)`, err: "system.log.mask: "},
		"drop fails":     {policy: `drop if json.unmarshal(input.decision_id)`, err: "system.log.drop: "},
		"conflict":       {policy: "mask := [\"/input\"] if input.path\n\nmask := [\"/result\"] if input.decision_id", err: "system.log.mask: "},
	} {
		t.Run(name, func(t *testing.T) {
			engine := newEngine(t, overlayOptions(t, map[string]string{"system/log/log.rego": "package system.log\n\n" + tc.policy + "\n"}))
			if !engine.Redacts() {
				t.Error("the engine knows of no redaction")
			}
			got, err := engine.Redact(t.Context(), event, noon)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("got %+v, %v, want an error with %q", got, err, tc.err)
				}
				tc.want = rego.Redaction{}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingToRedact(t *testing.T) {
	engine := baselineEngine(t, baselineOptions().Config)
	got, err := engine.Redact(t.Context(), ast.NewObject(), noon)
	if engine.Redacts() || err != nil || got.Drop || got.Masks != nil {
		t.Errorf("the baseline redacts: %+v, %v", got, err)
	}
}

// TestRedactFromData: OPA takes masks from data too.
func TestRedactFromData(t *testing.T) {
	engine := newEngine(t, overlayOptions(t, map[string]string{"system/log/data.json": `{"mask": ["/input"]}`}))
	got, err := engine.Redact(t.Context(), ast.NewObject(), noon)
	want := rego.Redaction{Masks: []rego.Mask{{Path: []string{"input"}}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
