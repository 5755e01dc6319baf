package replay

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// Outcomes of a decision log's line that policy had a part in.
const (
	loggedAttested     = "attested"
	loggedDenied       = "denied"
	loggedDeniedForNow = "denied_for_now"
	loggedInternal     = "internal"
)

// recordedResult is the result of a line: what policy answered, before the
// configuration turned rules down.
type recordedResult struct {
	violations, warnings []rego.Violation
	exempt, selectors    []string
	agentPath            string
	canReattest          bool
}

// readResult reads what it knows of a result.
func readResult(value rego.Value) (recordedResult, error) {
	var r recordedResult
	for name, member := range value.Members() {
		ok := true
		switch name {
		case "violations":
			r.violations, ok = list(member, violation)
		case "warnings":
			r.warnings, ok = list(member, violation)
		case "exempt":
			r.exempt, ok = list(member, rego.Value.Text)
		case "selectors":
			r.selectors, ok = list(member, rego.Value.Text)
		case "agent_path":
			r.agentPath, ok = member.Text()
		case "can_reattest":
			r.canReattest, ok = member.Bool()
		}
		if !ok {
			return recordedResult{}, fmt.Errorf("result.%s is of another kind", name)
		}
	}
	return r, nil
}

func list[T any](value rego.Value, read func(rego.Value) (T, bool)) (all []T, ok bool) {
	elements, ok := value.Elements()
	if !ok {
		return nil, false
	}
	for element := range elements {
		one, ok := read(element)
		if !ok {
			return nil, false
		}
		all = append(all, one)
	}
	return all, true
}

func violation(value rego.Value) (v rego.Violation, ok bool) {
	rule, hasRule := value.Member("rule").Text()
	msg, hasMsg := value.Member("msg").Text()
	transient, _ := value.Member("transient").Bool()
	return rego.Violation{Rule: rule, Msg: msg, Transient: transient}, hasRule && hasMsg
}

// recordedAnswer is what came of a decision. What was no decision of policy's is
// unknown: a cloud may not have answered.
func recordedAnswer(d *decisionlog.Decision) (*Answer, error) {
	result, err := readResult(d.Result)
	if err != nil {
		return nil, err
	}
	effects := map[string]string{} // of violations
	for _, fired := range d.Outcome.Rules {
		// A rule may also be among the warnings, which says nothing of its violations.
		if known := effects[fired.Rule]; known == "" || known == rego.EffectWarned {
			effects[fired.Rule] = fired.Effect
		}
	}
	slices.Sort(result.selectors)
	answer := &Answer{AgentPath: result.agentPath, Exempt: result.exempt, Warnings: result.warnings}
	for _, v := range result.violations {
		switch effects[v.Rule] {
		case rego.EffectDenied:
			answer.Denials = append(answer.Denials, v)
		case rego.EffectWarned:
			answer.Warnings = append(answer.Warnings, v)
		}
	}
	switch d.Outcome.Outcome {
	case loggedAttested:
		answer.Outcome = Allowed
		answer.Selectors, answer.CanReattest = result.selectors, result.canReattest
	case loggedDenied, loggedDeniedForNow:
		answer.Outcome = Denied
	case loggedInternal:
		answer.Outcome, answer.Error = Failed, d.Outcome.Error
	default:
		answer.Outcome = Unknown
	}
	return answer, nil
}

// refusedByTemplate reports whether a node was denied and policy had no say in it: its
// values make no good path of agent_path_template. Another policy has no say either.
func refusedByTemplate(d *decisionlog.Decision) bool {
	return (d.Outcome.Outcome == loggedDenied || d.Outcome.Outcome == loggedDeniedForNow) && d.Result.IsNull() && len(taken(d, "/result")) == 0
}

// recordedPath is the agent path that was decided about, "" while there was none; not
// known if it is masked wherever it would be.
func recordedPath(d *decisionlog.Decision, trustDomain string) (path string, known bool) {
	if len(taken(d, "/custom/gatehouse/agent_id")) == 0 {
		return strings.TrimPrefix(d.Outcome.AgentID, "spiffe://"+trustDomain), true
	}
	path, _ = d.Result.Member("agent_path").Text()
	return path, !d.Result.IsNull() && len(taken(d, "/result/agent_path")) == 0
}

// taken lists what was masked of some parts of a line: a part itself, something in it
// or what it is in.
func taken(d *decisionlog.Decision, parts ...string) []string {
	isOf := func(path, part string) bool { return path == part || strings.HasPrefix(path, part+"/") }
	return slices.DeleteFunc(slices.Clone(d.Taken), func(path string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return isOf(path, part) || isOf(part, path) })
	})
}
