package decisionlog

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written is the line of an event, and the error that is complained about.
func written(t *testing.T, e *Event) (map[string]any, error) {
	t.Helper()
	l := &Log{labels: testLabels}
	made, err := l.lineOf(t.Context(), e)
	if made == nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(made.json, &fields); err != nil {
		t.Fatal(err)
	}
	return fields, err
}

// at returns what is at a path of a line, nil if nothing.
func at(value any, path ...string) any {
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[key]
	}
	return value
}

// TestMasks: what a policy takes away is not in the line, and the line says so.
func TestMasks(t *testing.T) {
	for name, tc := range map[string]struct {
		policy         string
		gone, kept     []string // texts
		erased, masked any
	}{
		"nothing": {
			policy: `mask contains "/input" if input.path == "other"`,
			kept:   []string{`"blog"`, `"cost center/eu":"7"`, "sg-1", "sg-2", "owner is missing"},
		},
		"a tag": {
			policy: `mask contains "/input/facts/instance/tags/Name"`,
			gone:   []string{`"Name":"blog"`}, kept: []string{`"cost center/eu":"7"`},
			erased: []any{"/input/facts/instance/tags/Name"},
		},
		"a tag with a space and a slash in its key": {
			policy: `mask contains "/input/facts/instance/tags/cost center%2Feu"`,
			gone:   []string{`"cost center/eu":"7"`}, kept: []string{`"Name":"blog"`},
			erased: []any{"/input/facts/instance/tags/cost%20center%2Feu"},
		},
		"replaced": {
			policy: `mask contains {"op": "upsert", "path": "/input/facts/instance/tags", "value": {"all": "masked"}}`,
			gone:   []string{`"Name":"blog"`, `"cost center/eu":"7"`}, kept: []string{`"tags":{"all":"masked"}`},
			masked: []any{"/input/facts/instance/tags"},
		},
		"an element": {
			policy: `mask contains "/input/facts/instance/security_groups/0"`,
			gone:   []string{`{"id":"sg-1"}`}, kept: []string{`{"id":"sg-2"}`},
			erased: []any{"/input/facts/instance/security_groups/0"},
		},
		// Indices are of the list that policy saw, not of what other masks left of it.
		"several elements": {
			policy: `mask contains sprintf("/input/facts/instance/security_groups/%d", [i]) if some i, _ in input.input.facts.instance.security_groups

mask contains sprintf("/result/selectors/%d", [i]) if {
	some i, selector in input.result.selectors
	startswith(selector, "tag:")
}

mask contains {"op": "upsert", "path": "/input/facts/instance/security_groups/1/name", "value": "x"}`,
			gone: []string{"sg-1", "sg-2", "tag:Name", "tag:cost", "erased{}"}, kept: []string{`"security_groups":[]`, `"selectors":[]`},
			erased: []any{
				"/input/facts/instance/security_groups/0", "/input/facts/instance/security_groups/1", "/result/selectors/0", "/result/selectors/1",
			},
		},
		"of an element": {
			policy: `mask contains {"op": "upsert", "path": "/input/facts/instance/security_groups/1/id", "value": "x"}`,
			gone:   []string{`{"id":"sg-2"}`}, kept: []string{`{"id":"sg-1"}`},
			masked: []any{"/input/facts/instance/security_groups/1/id"},
		},
		"input, result and reasons": {
			policy: `mask contains sprintf("/%s", [part]) if some part in ["input", "result", "custom/gatehouse/error", "requested_by"]`,
			gone:   []string{"blog", "violations", "owner is missing"}, kept: []string{`"outcome":"denied"`},
			erased: []any{"/custom/gatehouse/error", "/input", "/result"},
		},
		"what leads nowhere": {
			policy: `mask contains path if {
	some path in ["/input/none", "/input/evidence/region/x", "/input/facts/instance/security_groups/9", "/requested_by"]
}

mask contains {"op": "upsert", "path": "/requested_by", "value": "x"}

mask contains {"op": "upsert", "path": "/input/facts/instance/security_groups/x", "value": "x"}`,
			kept: []string{"us-west-2", "sg-2"},
		},
		"by what is in the event": {
			policy: `mask contains "/input/facts" if input.custom.gatehouse.outcome == "denied"`,
			gone:   []string{`"Name":"blog"`}, kept: []string{"us-west-2"},
			erased: []any{"/input/facts"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fields, err := written(t, denial(t, engineWith(t, tc.policy), "1"))
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			for _, gone := range tc.gone {
				if strings.Contains(string(text), gone) {
					t.Errorf("%q is there:\n%s", gone, text)
				}
			}
			for _, kept := range tc.kept {
				if !strings.Contains(string(text), kept) {
					t.Errorf("%q is gone:\n%s", kept, text)
				}
			}
			if diff := cmp.Diff([]any{tc.erased, tc.masked}, []any{fields["erased"], fields["masked"]}); diff != "" {
				t.Errorf("erased and masked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDropped(t *testing.T) {
	fields, err := written(t, denial(t, engineWith(t, `drop if input.custom.gatehouse.outcome == "denied"`), "1"))
	if fields != nil || err != nil {
		t.Errorf("got %v, %v", fields, err)
	}
}

// TestWithheld: where it can't be told what may be shown, or the line would be too
// long, the line is there without anything that came from the node.
func TestWithheld(t *testing.T) {
	long := denial(t, nil, "1")
	long.Outcome.FactErrors = []string{strings.Repeat("x", maxLine)}
	for name, tc := range map[string]struct {
		event    *Event
		withheld string
		err      string // a part of it
	}{
		"a mask that fails":   {denial(t, engineWith(t, `mask contains "/input/peer" if json.unmarshal(input.path)`), "1"), "the policy's redaction failed", "json.unmarshal"},
		"a mask that is none": {denial(t, engineWith(t, `mask contains "input"`), "1"), "the policy's redaction failed", "does not begin with a slash"},
		"a drop that fails":   {denial(t, engineWith(t, `drop if json.unmarshal(input.path)`), "1"), "the policy's redaction failed", "json.unmarshal"},
		"too long":            {long, "the line was too long", "bytes, more than 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			fields, err := written(t, tc.event)
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want one with %q", err, tc.err)
			}
			want := map[string]any{
				"labels":      map[string]any{"id": "1", "plugin": "aws_iid", "trust_domain": "example.org"},
				"decision_id": "1",
				"bundles":     map[string]any{"gatehouse": map[string]any{"revision": tc.event.Engine.Revision()}},
				"path":        "gatehouse/aws_iid/decision",
				"erased":      []any{"/input", "/result", "/requested_by", "/custom/gatehouse"},
				"timestamp":   "2026-01-02T12:00:00Z",
				"metrics":     map[string]any{"timer_total_ns": 3e6},
				"custom": map[string]any{"gatehouse": map[string]any{
					"outcome":  "denied",
					"config":   tc.event.Config.digest,
					"withheld": tc.withheld,
					"rules":    at(fields, "custom", "gatehouse", "rules"),
				}},
			}
			if diff := cmp.Diff(want, fields); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			rules, _ := json.Marshal(at(fields, "custom", "gatehouse", "rules"))
			if !strings.Contains(string(rules), `{"effect":"denied","rule":"tofu"}`) {
				t.Errorf("rules %s", rules)
			}
		})
	}
}
