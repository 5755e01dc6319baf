package replay

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

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
	Violations  []rego.Violation `json:"violations"`
	Exempt      []string         `json:"exempt"`
	AgentPath   string           `json:"agent_path"`
	Selectors   []string         `json:"selectors"`
	CanReattest bool             `json:"can_reattest"`
	Warnings    []rego.Violation `json:"warnings"`
}

// recordedAnswer is what came of a decision. What was no decision of policy's is
// unknown: a cloud may not have answered.
func recordedAnswer(d *decisionlog.Decision) (*Answer, error) {
	var result recordedResult
	if d.Result != nil {
		if err := json.Unmarshal(d.Result, &result); err != nil {
			return nil, err
		}
	}
	effects := map[string]string{}
	for _, fired := range d.Outcome.Rules {
		effects[fired.Rule] = fired.Effect
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
		if d.Result == nil { // refused by the plugin in policy's stead: by agent_path_template
			for _, fired := range d.Outcome.Rules {
				answer.Denials = append(answer.Denials, rego.Violation{Rule: fired.Rule, Msg: d.Outcome.Error})
			}
		}
	case loggedInternal:
		answer.Outcome, answer.Error = Failed, d.Outcome.Error
	default:
		answer.Outcome = Unknown
	}
	return answer, nil
}

// recordedPath is the agent path that was decided about.
func recordedPath(d *decisionlog.Decision, trustDomain string) string {
	return strings.TrimPrefix(d.Outcome.AgentID, "spiffe://"+trustDomain)
}

// recordedTime is how long policy took for both questions; false if the log does
// not say.
func recordedTime(d *decisionlog.Decision) (time.Duration, bool) {
	var sum float64
	for _, step := range []string{"timer_admit_ns", "timer_decide_ns"} {
		if ns, ok := d.Metrics[step].(float64); ok {
			sum += ns
		}
	}
	return time.Duration(sum), sum > 0
}
