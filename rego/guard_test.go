package rego

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

var testGuard = guard{plugin: "aws_iid", trustDomain: "example.org"}

// The parts of a good answer, as Rego.
func goodAdmission() map[string]string {
	return map[string]string{
		"violations": `set()`,
		"exempt":     `set()`,
		"facts":      `{"required": {"b", "a"}, "optional": {"a", "c"}}`,
		"agent_path": `"/spire/agent/aws_iid/a"`,
	}
}

func goodDecision() map[string]string {
	return map[string]string{
		"violations":   `set()`,
		"exempt":       `{"x"}`,
		"selectors":    `{"b:2", "a:1"}`,
		"can_reattest": `true`,
		"warnings":     `{{"rule": "w", "msg": "careful"}}`,
		"agent_path":   `"/spire/agent/aws_iid/a"`,
	}
}

func rendered(parts map[string]string) ast.Value {
	var fields []string
	for name, value := range parts {
		fields = append(fields, fmt.Sprintf("%q: %s", name, value))
	}
	return ast.MustParseTerm("{" + strings.Join(fields, ", ") + "}").Value
}

// changes of a good answer: a value in place of a part, or "" for none.
type change map[string]string

func (c change) of(parts map[string]string) ast.Value {
	for name, value := range c {
		if parts[name] = value; value == "" {
			delete(parts, name)
		}
	}
	return rendered(parts)
}

// texts is a set of n texts, which differ.
func texts(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%q", fmt.Sprintf("t%d", i))
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// reasons is a set of n reasons, which differ.
func reasons(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`{"rule": "r", "msg": "m%d"}`, i)
	}
	return "{" + strings.Join(all, ", ") + "}"
}

func text(n int) string { return `"` + strings.Repeat("x", n) + `"` }

// pathOf makes an agent path whose agent ID has n bytes.
func pathOf(n int) string {
	path := "/spire/agent/aws_iid/"
	return `"` + path + strings.Repeat("x", n-len("spiffe://example.org"+path)) + `"`
}

func reason(rule, msg string) string {
	return fmt.Sprintf(`{{"rule": %s, "msg": %s}}`, rule, msg)
}

func TestDecodeAdmission(t *testing.T) {
	got, err := decodeAdmission(rendered(goodAdmission()), testGuard, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Admission{Required: []string{"a", "b"}, Optional: []string{"c"}, AgentPath: "/spire/agent/aws_iid/a"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecodeDecision(t *testing.T) {
	got, err := decodeDecision(rendered(goodDecision()), testGuard, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Decision{
		Exempt:      []string{"x"},
		AgentPath:   "/spire/agent/aws_iid/a",
		Selectors:   []string{"a:1", "b:2"},
		CanReattest: true,
		Warnings:    []Violation{{Rule: "w", Msg: "careful"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What is just within the bounds passes.
func TestGuardPasses(t *testing.T) {
	for name, c := range map[string]change{
		"longest path":      {"agent_path": pathOf(255)},
		"longest selector":  {"selectors": "{" + text(255) + "}"},
		"most selectors":    {"selectors": texts(1000)},
		"no selectors":      {"selectors": "set()"},
		"odd selectors":     {"selectors": `{"tag:Ünï:日本", "tag::", " "}`},
		"longest message":   {"warnings": reason(`"r"`, text(1024))},
		"longest rule name": {"warnings": reason(text(64), `"m"`)},
		"most warnings":     {"warnings": reasons(100)},
		"most exemptions":   {"exempt": texts(100)},
		"exempt violation":  {"violations": reason(`"x"`, `"m"`)},
		"deeper path":       {"agent_path": `"/spire/agent/aws_iid/a/b-c/D_1.2"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeDecision(c.of(goodDecision()), testGuard, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Denials()) > 0 {
				t.Errorf("denied: %v", got.Denials())
			}
		})
	}
}

func TestGuardRefusesDecision(t *testing.T) {
	tests := map[string]struct {
		change change
		want   string
	}{
		"unknown key":        {change{"allow": "true"}, `has the unknown key "\"allow\""`},
		"no violations":      {change{"violations": ""}, `lacks the key "violations"`},
		"no exemptions":      {change{"exempt": ""}, `lacks the key "exempt"`},
		"no selectors key":   {change{"selectors": ""}, `lacks the key "selectors"`},
		"no can_reattest":    {change{"can_reattest": ""}, `lacks the key "can_reattest"`},
		"no warnings":        {change{"warnings": ""}, `lacks the key "warnings"`},
		"no path":            {change{"agent_path": ""}, `agent_path is missing`},
		"violations null":    {change{"violations": "null"}, `violations: is null, not a set`},
		"violations list":    {change{"violations": "[]"}, `violations: is an array, not a set`},
		"violations object":  {change{"violations": "{}"}, `violations: is an object, not a set`},
		"violation text":     {change{"violations": `{"x"}`}, `violations: "\"x\"": is a string, not an object`},
		"violation key":      {change{"violations": `{{"rule": "r", "msg": "m", "code": 1}}`}, `has the unknown key "\"code\""`},
		"violation no rule":  {change{"violations": `{{"msg": "m"}}`}, `lacks the key "rule"`},
		"violation no msg":   {change{"violations": `{{"rule": "r"}}`}, `lacks the key "msg"`},
		"rule number":        {change{"violations": reason("1", `"m"`)}, `rule is a number, not a string`},
		"msg null":           {change{"violations": reason(`"r"`, "null")}, `msg is null, not a string`},
		"rule empty":         {change{"violations": reason(`""`, `"m"`)}, `rule: "" is no name`},
		"rule with a space":  {change{"violations": reason(`"a b"`, `"m"`)}, `rule: "a b" is no name`},
		"rule with newline":  {change{"violations": reason(`"a\n"`, `"m"`)}, `rule: "a\n" is no name`},
		"rule too long":      {change{"violations": reason(text(65), `"m"`)}, `is no name of up to 64`},
		"msg empty":          {change{"violations": reason(`"r"`, `""`)}, `msg: "" is empty`},
		"msg too long":       {change{"violations": reason(`"r"`, text(1025))}, `has 1025 bytes, more than 1024`},
		"msg control":        {change{"violations": reason(`"r"`, `"a\u001b[2J"`)}, `msg: "a\x1b[2J" has a control character`},
		"too many":           {change{"violations": reasons(101)}, `violations: there are 101, more than 100`},
		"too many warnings":  {change{"warnings": reasons(101)}, `warnings: there are 101, more than 100`},
		"warnings list":      {change{"warnings": "[]"}, `warnings: is an array, not a set`},
		"exempt list":        {change{"exempt": `["x"]`}, `exempt: is an array, not a set`},
		"exempt number":      {change{"exempt": `{1}`}, `exempt: "1" is a number, not a string`},
		"exempt everything":  {change{"exempt": `{"*"}`}, `exempt: "*" is no name`},
		"too many exempt":    {change{"exempt": texts(101)}, `exempt: there are 101, more than 100`},
		"can_reattest text":  {change{"can_reattest": `"false"`}, `can_reattest: is a string, not a boolean`},
		"can_reattest null":  {change{"can_reattest": `null`}, `can_reattest: is null, not a boolean`},
		"selectors list":     {change{"selectors": `["a"]`}, `selectors: is an array, not a set`},
		"selector number":    {change{"selectors": `{1}`}, `selectors: "1" is a number, not a string`},
		"selector empty":     {change{"selectors": `{""}`}, `selectors: "" is empty`},
		"selector too long":  {change{"selectors": "{" + text(256) + "}"}, `has 256 bytes, more than 255`},
		"selector newline":   {change{"selectors": `{"a\nb"}`}, `selectors: "a\nb" has a control character`},
		"selector NUL":       {change{"selectors": `{"a\u0000"}`}, `selectors: "a\x00" has a control character`},
		"too many selectors": {change{"selectors": texts(1001)}, `selectors: there are 1001, more than 1000`},
		"path null":          {change{"agent_path": `null`}, `agent_path is null, not a string`},
		"path empty":         {change{"agent_path": `""`}, `agent_path "" is not below /spire/agent/aws_iid/`},
		"path of the server": {change{"agent_path": `"/spire/server"`}, `agent_path "/spire/server" is not below`},
		"other plugin":       {change{"agent_path": `"/spire/agent/aws_iidx/a"`}, `is not below /spire/agent/aws_iid/`},
		"no segment":         {change{"agent_path": `"/spire/agent/aws_iid"`}, `is not below /spire/agent/aws_iid/`},
		"empty segment":      {change{"agent_path": `"/spire/agent/aws_iid/"`}, `is no SPIFFE path`},
		"dots":               {change{"agent_path": `"/spire/agent/aws_iid/../x"`}, `is no SPIFFE path`},
		"double slash":       {change{"agent_path": `"/spire/agent/aws_iid//a"`}, `is no SPIFFE path`},
		"escape":             {change{"agent_path": `"/spire/agent/aws_iid/%2e"`}, `is no SPIFFE path`},
		"relative":           {change{"agent_path": `"spire/agent/aws_iid/a"`}, `is no SPIFFE path`},
		"path too long":      {change{"agent_path": pathOf(256)}, `has 256 bytes, more than 255`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := decodeDecision(tt.change.of(goodDecision()), testGuard, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if !reflect.DeepEqual(got, Decision{}) {
				t.Errorf("got %+v with the error", got)
			}
		})
	}
}

func TestGuardRefusesAdmission(t *testing.T) {
	tests := map[string]struct {
		change change
		want   string
	}{
		"unknown key":     {change{"selectors": "set()"}, `has the unknown key "\"selectors\""`},
		"no violations":   {change{"violations": ""}, `lacks the key "violations"`},
		"no exemptions":   {change{"exempt": ""}, `lacks the key "exempt"`},
		"no facts":        {change{"facts": ""}, `lacks the key "facts"`},
		"facts set":       {change{"facts": "set()"}, `facts: is a set, not an object`},
		"facts key":       {change{"facts": `{"required": set(), "optional": set(), "x": 1}`}, `facts: has the unknown key`},
		"facts half":      {change{"facts": `{"required": set()}`}, `facts: lacks the key "optional"`},
		"required list":   {change{"facts": `{"required": ["a"], "optional": set()}`}, `facts.required: is an array, not a set`},
		"optional number": {change{"facts": `{"required": set(), "optional": {1}}`}, `facts.optional: "1" is a number, not a string`},
		"bad path":        {change{"agent_path": `"/spire/agent/aws_iid/"`}, `is no SPIFFE path`},
		"path null":       {change{"agent_path": `null`}, `agent_path is null, not a string`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := decodeAdmission(tt.change.of(goodAdmission()), testGuard, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if !reflect.DeepEqual(got, Admission{}) {
				t.Errorf("got %+v with the error", got)
			}
		})
	}
	for _, answer := range []string{`"x"`, `[]`, `null`, `true`, `set()`} {
		if _, err := decodeAdmission(ast.MustParseTerm(answer).Value, testGuard, nil); err == nil {
			t.Errorf("%s passes as an answer", answer)
		}
	}
}

func TestAdmissionWithoutPath(t *testing.T) {
	got, err := decodeAdmission(change{"agent_path": ""}.of(goodAdmission()), testGuard, nil)
	want := Admission{Required: []string{"a", "b"}, Optional: []string{"c"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// A denial is a denial, whatever its path and selectors; but neither gets out.
func TestDenialNeedsNoPath(t *testing.T) {
	deny := reason(`"r"`, `"m"`)
	want := []Violation{{Rule: "r", Msg: "m"}}
	for name, c := range map[string]change{
		"no path":      {"violations": deny, "agent_path": ""},
		"bad path":     {"violations": deny, "agent_path": `"/x"`},
		"bad selector": {"violations": deny, "agent_path": "", "selectors": `{1, ""}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeDecision(c.of(goodDecision()), testGuard, nil)
			whole := Decision{Violations: want, Exempt: []string{"x"}, Warnings: []Violation{{Rule: "w", Msg: "careful"}}}
			if err != nil || !reflect.DeepEqual(got, whole) {
				t.Errorf("got %+v, %v, want %+v", got, err, whole)
			}
			if !reflect.DeepEqual(got.Denials(), want) {
				t.Errorf("got denials %v", got.Denials())
			}
		})
	}
	admission, err := decodeAdmission(change{"violations": deny, "agent_path": `"/x"`}.of(goodAdmission()), testGuard, nil)
	if err != nil || admission.AgentPath != "" || !reflect.DeepEqual(admission.Denials(), want) {
		t.Errorf("got %+v, %v", admission, err)
	}
}

func TestDenialsAreSorted(t *testing.T) {
	got, err := decodeDecision(change{
		"violations": `{{"rule": "b", "msg": "1"}, {"rule": "a", "msg": "2"}, {"rule": "a", "msg": "1"}, {"rule": "x", "msg": "exempt"}}`,
	}.of(goodDecision()), testGuard, nil)
	want := []Violation{{Rule: "a", Msg: "1"}, {Rule: "a", Msg: "2"}, {Rule: "b", Msg: "1"}}
	if err != nil || !reflect.DeepEqual(got.Denials(), want) {
		t.Errorf("got %v, %v, want %v", got.Denials(), err, want)
	}
}
