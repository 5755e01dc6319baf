package replay

import (
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

// recordedAnswer is what came of a decision about an agent path. What was no decision of
// policy's is unknown: a cloud may not have answered. A result is logged before its shape
// is checked: none is read of an answer that may have been refused for that.
func recordedAnswer(d *decisionlog.Decision, path string) (*Answer, error) {
	if d.Outcome.Outcome == loggedInternal {
		return &Answer{Outcome: Failed, Error: d.Outcome.Error, AgentPath: path}, nil
	}
	if d.ResultErr != nil {
		return nil, d.ResultErr
	}
	var result decisionlog.Result
	if d.Result != nil {
		result = *d.Result
	}
	effects := map[string]string{} // of violations
	for _, fired := range d.Outcome.Rules {
		// A rule may also be among the warnings, which says nothing of its violations.
		if known := effects[fired.Rule]; known == "" || known == rego.EffectWarned {
			effects[fired.Rule] = fired.Effect
		}
	}
	slices.Sort(result.Selectors)
	answer := &Answer{AgentPath: result.AgentPath, Exempt: result.Exempt, Warnings: result.Warnings}
	for _, v := range result.Violations {
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
		answer.Selectors, answer.CanReattest = result.Selectors, result.CanReattest
	case loggedDenied, loggedDeniedForNow:
		answer.Outcome = Denied
	default:
		answer.Outcome = Unknown
	}
	return answer, nil
}

// recordedPath is the agent path that was decided about, "" while there was none; not
// known if it is masked wherever it would be.
func recordedPath(d *decisionlog.Decision, trustDomain string) (path string, known bool) {
	if len(taken(d, "/custom/gatehouse/agent_id")) == 0 {
		return strings.TrimPrefix(d.Outcome.AgentID, "spiffe://"+trustDomain), true
	}
	if d.Result == nil || d.ResultErr != nil || len(taken(d, "/result/agent_path")) > 0 {
		return "", false
	}
	return d.Result.AgentPath, true
}

// taken lists what was masked of some parts of a line: a part itself, something in it
// or what it is in.
func taken(d *decisionlog.Decision, parts ...string) []string {
	isOf := func(path, part string) bool { return path == part || strings.HasPrefix(path, part+"/") }
	return slices.DeleteFunc(slices.Clone(d.Taken), func(path string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return isOf(path, part) || isOf(part, path) })
	})
}
