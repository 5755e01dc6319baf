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
	var seen [6]bool
	var err error
	v.GetObject().Visit(func(name []byte, member *fastjson.Value) {
		which := -1
		switch string(name) {
		case "violations":
			which, result.Violations = 0, r.violations(member)
		case "warnings":
			which, result.Warnings = 1, r.violations(member)
		case "exempt":
			which, result.Exempt = 2, r.texts(member)
		case "selectors":
			which, result.Selectors = 3, r.texts(member)
		case "agent_path":
			which, result.AgentPath = 4, r.text(member)
		case "can_reattest":
			which, result.CanReattest = 5, r.boolean(member)
		}
		switch twice := which >= 0 && seen[which]; {
		case err != nil:
		case twice:
			err = fmt.Errorf("result.%s is there twice", name)
		case !r.ok:
			err = fmt.Errorf("result.%s is of another kind", name)
		}
		if which >= 0 {
			seen[which] = true
		}
	})
	return result, err
}

// violations wants a rule and a message of each, as the engine does, and nothing twice.
func (r *fieldReader) violations(v *fastjson.Value) []rego.Violation {
	var all []rego.Violation
	for _, element := range r.elements(v) {
		var read rego.Violation
		var rules, msgs, transients int
		if r.is(element, fastjson.TypeObject) {
			element.GetObject().Visit(func(name []byte, member *fastjson.Value) {
				switch string(name) {
				case "rule":
					read.Rule, rules = r.text(member), rules+1
				case "msg":
					read.Msg, msgs = r.text(member), msgs+1
				case "transient":
					read.Transient, transients = r.boolean(member), transients+1
				}
			})
		}
		r.ok = r.ok && read.Rule != "" && read.Msg != "" && max(rules, msgs, transients) == 1
		all = append(all, read)
	}
	return all
}
