package attestor

import (
	"context"
	"fmt"
	"slices"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// judgement is a policy's last word about one node.
type judgement struct {
	input rego.Input

	// whole says that it is a decision. Otherwise it is a denial at admission, before
	// any fact was gathered.
	whole bool

	denials     []rego.Violation
	agentPath   string
	selectors   []string // sorted; none if there are denials
	canReattest bool

	// templateFact is the fact that agent_path_template needs; empty for none.
	templateFact string

	// missing are facts that the policy would have had gathered.
	missing []string
}

// judgeAgain has another policy, engine's, judge what one has judged, as it would in force.
// Facts that it asks for and that were not gathered are missing; without one that it
// requires it can't decide, and decided is false. The error says that it would refuse
// the node for a fault of its own.
func judgeAgain(ctx context.Context, engine *rego.Engine, first judgement) (again judgement, decided bool, err error) {
	ctx, stop := rego.BoundMemory(ctx)
	defer stop()
	defer func() {
		if cause := context.Cause(ctx); err != nil && cause != nil && cause != ctx.Err() {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}()
	retaken, err := engine.Retake(ctx, rego.Taken{Input: first.input, AgentPath: first.agentPath, TemplateFact: first.templateFact})
	again = judgement{input: retaken.Input, denials: retaken.Denials(), agentPath: retaken.Admission.AgentPath}
	if first.whole || retaken.Decision != nil { // otherwise nobody was to gather any yet
		again.missing = slices.Concat(retaken.Required, retaken.Optional)
		slices.Sort(again.missing)
	}
	if decision := retaken.Decision; decision != nil {
		again.whole, again.agentPath = true, decision.AgentPath
		again.selectors, again.canReattest = decision.Selectors, decision.CanReattest
	}
	return again, again.whole || len(again.denials) > 0 || !first.whole, err
}

// What two judgements differ in, in the words of metrics.
const (
	newlyDenied     = "newly_denied"
	newlyAllowed    = "newly_allowed"
	newlyAdmitted   = "newly_admitted" // denied at admission, and not by the other: what comes then is not known
	deniedOtherwise = "denied_otherwise"
	otherAgentPath  = "agent_path"
	selectorsGained = "selectors_gained"
	selectorsLost   = "selectors_lost"
	otherReattest   = "can_reattest"
)

// compare says how the second of two judgements of one input differs from the
// first.
func compare(first, second judgement) decisionlog.Shadow {
	result := decisionlog.Shadow{Outcome: second.outcome(), Rules: rego.RuleNames(second.denials), FactsMissing: second.missing}
	add := func(difference string) { result.Differences = append(result.Differences, difference) }
	before, now := len(first.denials) == 0, len(second.denials) == 0
	switch {
	case before && !now:
		add(newlyDenied)
	case !before && now && second.whole:
		add(newlyAllowed)
	case !before && now:
		add(newlyAdmitted)
	case !before && !slices.Equal(rego.RuleNames(first.denials), rego.RuleNames(second.denials)):
		add(deniedOtherwise)
	}
	// Who is denied twice has no use for a path; selectors are of those let in.
	if now && second.agentPath != "" && first.agentPath != "" && second.agentPath != first.agentPath {
		add(otherAgentPath)
		result.AgentPath = second.agentPath
	}
	if !before || !now {
		return result
	}
	result.SelectorsGained, result.SelectorsLost = without(second.selectors, first.selectors), without(first.selectors, second.selectors)
	if len(result.SelectorsGained) > 0 {
		add(selectorsGained)
	}
	if len(result.SelectorsLost) > 0 {
		add(selectorsLost)
	}
	if first.canReattest != second.canReattest {
		add(otherReattest)
	}
	return result
}

// outcome is what the judgement would have come to.
func (j judgement) outcome() string {
	switch {
	case len(j.denials) > 0:
		return deny(j.denials).class.name
	case j.whole:
		return outcomeAttested
	default:
		return "admitted"
	}
}

// without are the texts of a that are not in b; both are sorted.
func without(a, b []string) []string {
	var left []string
	for _, text := range a {
		if _, there := slices.BinarySearch(b, text); !there {
			left = append(left, text)
		}
	}
	return left
}
