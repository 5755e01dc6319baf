package decisionlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spire-gatehouse/gatehouse/rego"
)

const wholeLine = `{"labels":{"gatehouse":"v1.0.0","id":"server-1"},"decision_id":"1","bundles":{"gatehouse":{"revision":"a1"},"policy":{"revision":"r7"}},` +
	`"path":"gatehouse/aws_iid/decision","input":{"plugin":"aws_iid"},"result":{"exempt":[]},"erased":["/input/peer"],"masked":["/input/facts"],` +
	`"timestamp":"2026-01-02T03:04:05Z","metrics":{"timer_admit_ns":1000,"timer_decide_ns":2000,"timer_verify_ns":9},` +
	`"custom":{"erased":["/result/selectors"],"masked":["/result/exempt"],"gatehouse":{"outcome":"denied","error":"no","config":"c1","node":"aws/1/i-1",` +
	`"agent_id":"spiffe://example.org/a","rules":[{"rule":"tofu","effect":"denied"}],"calls":[{"call":"ec2:DescribeInstances"}]}}}`

func readLine(t *testing.T, text string) (*Decision, error) {
	t.Helper()
	line, err := NewReader(strings.NewReader(text)).NextLine()
	if err != nil {
		t.Fatal(err)
	}
	return line.Decision()
}

// TestDecision reads every field that a decision has.
func TestDecision(t *testing.T) {
	got, err := readLine(t, wholeLine)
	if err != nil {
		t.Fatal(err)
	}
	want := &Decision{
		Line: 1, DecisionID: "1", Gatehouse: "v1.0.0", Revisions: map[string]string{"gatehouse": "a1", "policy": "r7"},
		Plugin: "aws_iid", Question: "decision",
		Taken:  []string{"/input/peer", "/input/facts", "/result/selectors", "/result/exempt"},
		Result: &Result{},
		Took:   3 * time.Microsecond,
		Outcome: Outcome{
			Outcome: "denied", Error: "no", Config: "c1", Node: "aws/1/i-1", AgentID: "spiffe://example.org/a",
			Rules: []rego.Fired{{Rule: "tofu", Effect: "denied"}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Decision{}, "Input")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if input := textOf(t, got.Input); input != `{"plugin":"aws_iid"}` {
		t.Errorf("input %s", input)
	}
}

// TestDecisionOfOtherShape: a field of another kind makes a line none of Gatehouse's;
// one that is null is one that is not there.
func TestDecisionOfOtherShape(t *testing.T) {
	paths := [][]string{
		{"labels"}, {"labels", "gatehouse"}, {"decision_id"}, {"bundles"}, {"bundles", "policy"}, {"bundles", "policy", "revision"},
		{"path"}, {"erased"}, {"masked"}, {"metrics"}, {"metrics", "timer_admit_ns"}, {"custom"}, {"custom", "erased"}, {"custom", "masked"},
		{"custom", "gatehouse"}, {"custom", "gatehouse", "outcome"}, {"custom", "gatehouse", "error"}, {"custom", "gatehouse", "config"},
		{"custom", "gatehouse", "node"}, {"custom", "gatehouse", "agent_id"}, {"custom", "gatehouse", "rules"},
	}
	needed := map[string]bool{"decision_id": true, "path": true}
	for _, path := range paths {
		name := strings.Join(path, ".")
		if _, err := readLine(t, with(t, path, true)); !errors.Is(err, ErrForeign) {
			t.Errorf("with %s true: got %v, want %v", name, err, ErrForeign)
		}
		if _, err := readLine(t, with(t, path, nil)); needed[name] != errors.Is(err, ErrForeign) || err != nil && !needed[name] {
			t.Errorf("with %s null: %v", name, err)
		}
	}
	notUTF8 := strings.Replace(wholeLine, "aws/1/i-1", "aws/1/\xff", 1)
	if _, err := readLine(t, notUTF8); !errors.Is(err, ErrForeign) {
		t.Errorf("with a node that is not UTF-8: %v", err)
	}
}

// with is the whole line with another value at a path.
func with(t *testing.T, path []string, value any) string {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal([]byte(wholeLine), &whole); err != nil {
		t.Fatal(err)
	}
	at := whole
	for _, name := range path[:len(path)-1] {
		at = at[name].(map[string]any)
	}
	at[path[len(path)-1]] = value
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(whole); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
