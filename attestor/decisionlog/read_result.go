package decisionlog

import (
	"errors"
	"fmt"

	"github.com/valyala/fastjson"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// A Result is what policy answered, before the configuration turned rules down. The
// facts that an admission asks for are not read.
type Result struct {
	Violations, Warnings []rego.Violation
	Exempt, Selectors    []string
	AgentPath            string
	CanReattest          bool
}

// readResult reads a result; it is nil if there is none. The error says what of it could
// not be read. To make a rego.Value of all of it first would take longer.
func readResult(v *fastjson.Value) (*Result, error) {
	r := fieldReader{ok: true}
	if !r.is(v, fastjson.TypeObject) {
		if !r.ok {
			return &Result{}, errors.New("result is of another kind")
		}
		return nil, nil
	}
	result := &Result{}
	object := v.GetObject()
	if name := twice(object, "violations", "warnings", "exempt", "selectors", "agent_path", "can_reattest"); name != "" {
		return result, fmt.Errorf("result.%s is there twice", name)
	}
	var err error
	object.Visit(func(name []byte, member *fastjson.Value) {
		switch string(name) {
		case "violations":
			result.Violations = r.violations(member)
		case "warnings":
			result.Warnings = r.violations(member)
		case "exempt":
			result.Exempt = r.texts(member)
		case "selectors":
			result.Selectors = r.texts(member)
		case "agent_path":
			result.AgentPath = r.text(member)
		case "can_reattest":
			result.CanReattest = r.boolean(member)
		}
		if !r.ok && err == nil {
			err = fmt.Errorf("result.%s is of another kind", name)
		}
	})
	return result, err
}

// violations wants a rule and a message of each, as the engine does.
func (r *fieldReader) violations(v *fastjson.Value) []rego.Violation {
	var all []rego.Violation
	for _, element := range r.elements(v) {
		read := rego.Violation{
			Rule: r.text(r.member(element, "rule")), Msg: r.text(r.member(element, "msg")),
			Transient: r.boolean(r.member(element, "transient")),
		}
		r.ok = r.ok && read.Rule != "" && read.Msg != "" && twice(element.GetObject(), "rule", "msg", "transient") == ""
		all = append(all, read)
	}
	return all
}

// twice names a member that an object has more than once, of some; it is empty if there
// is none. Readers of JSON differ in which one they take.
func twice(object *fastjson.Object, of ...string) (found string) {
	var seen uint // a bit for each
	object.Visit(func(name []byte, _ *fastjson.Value) {
		for i, known := range of {
			if string(name) != known {
				continue
			}
			if seen&(1<<i) != 0 {
				found = known
			}
			seen |= 1 << i
		}
	})
	return found
}
