package decisionlog

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// TestResult reads what a result has, in each kind that it may be of.
func TestResult(t *testing.T) {
	good := []rego.Violation{{Rule: "r", Msg: "m"}}
	for name, tc := range map[string]struct {
		result string
		want   *Result
		err    string
	}{
		"everything": {`{"violations":[{"rule":"r","msg":"m"}],"warnings":[{"rule":"w","msg":"m","transient":true}],"exempt":["e"],"selectors":["a","b"],` +
			`"agent_path":"/spire/agent/x","can_reattest":true,"facts":{"required":["f"],"optional":[]}}`,
			&Result{Violations: good, Warnings: []rego.Violation{{Rule: "w", Msg: "m", Transient: true}}, Exempt: []string{"e"}, Selectors: []string{"a", "b"}, AgentPath: "/spire/agent/x", CanReattest: true}, ""},
		"not transient":        {`{"violations":[{"rule":"r","msg":"m","transient":false}],"can_reattest":false}`, &Result{Violations: good}, ""},
		"nothing":              {`{}`, &Result{}, ""},
		"none":                 {`null`, nil, ""},
		"a text":               {`"allow"`, &Result{}, "result is of another kind"},
		"violations":           {`{"violations":{"rule":"r","msg":"m"}}`, nil, "result.violations is of another kind"},
		"violation is a text":  {`{"violations":["r"]}`, nil, "result.violations is of another kind"},
		"rule is missing":      {`{"violations":[{"msg":"m"}]}`, nil, "result.violations is of another kind"},
		"msg is a number":      {`{"warnings":[{"rule":"r","msg":1}]}`, nil, "result.warnings is of another kind"},
		"transient is a text":  {`{"warnings":[{"rule":"r","msg":"m","transient":"no"}]}`, nil, "result.warnings is of another kind"},
		"exempt is a text":     {`{"exempt":"r"}`, nil, "result.exempt is of another kind"},
		"a selector is none":   {`{"selectors":["a",1]}`, nil, "result.selectors is of another kind"},
		"agent_path is a list": {`{"agent_path":[]}`, nil, "result.agent_path is of another kind"},
		"can_reattest is text": {`{"can_reattest":"true"}`, nil, "result.can_reattest is of another kind"},
		"a selector is null":   {`{"selectors":[null]}`, nil, "result.selectors is of another kind"},
		"a violation is null":  {`{"violations":[null]}`, nil, "result.violations is of another kind"},
		"a null list":          {`{"selectors":null,"violations":[{"rule":"r","msg":"m","transient":null}]}`, &Result{Violations: good}, ""},
		"selectors twice":      {`{"selectors":["own:x"],"selectors":["a"]}`, nil, "result.selectors is there twice"},
		"twice the same":       {`{"can_reattest":true,"can_reattest":true}`, nil, "result.can_reattest is there twice"},
		"twice, escaped":       {`{"agent_path":"/a","\u0061gent_path":"/b"}`, nil, "result.agent_path is there twice"},
		"twice, once null":     {`{"exempt":null,"exempt":["tofu"]}`, nil, "result.exempt is there twice"},
		"rule twice":           {`{"violations":[{"rule":"r","msg":"m","rule":"s"}]}`, nil, "result.violations is of another kind"},
		"msg twice":            {`{"warnings":[{"rule":"r","msg":"m","m\u0073g":"n"}]}`, nil, "result.warnings is of another kind"},
		"transient twice":      {`{"violations":[{"rule":"r","transient":true,"msg":"m","transient":false}]}`, nil, "result.violations is of another kind"},
		"what is not read":     {`{"violations":[{"rule":"r","msg":"m","see":"x","see":"y"}],"facts":{},"facts":1}`, &Result{Violations: good}, ""},
		"the first of two":     {`{"exempt":1,"selectors":1}`, nil, "result.exempt is of another kind"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := readLine(t, `{"decision_id":"1","path":"gatehouse/aws_iid/decision","result":`+tc.result+`}`)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if d.ResultErr != nil {
				got = fmt.Sprint(d.ResultErr)
			}
			if got != tc.err {
				t.Errorf("error %q, want %q", got, tc.err)
			}
			if diff := cmp.Diff(tc.want, d.Result); diff != "" && tc.err == "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
