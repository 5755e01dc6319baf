package replay

import (
	"slices"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// refusedByTemplate is the refusal of a node whose values make no good path of
// agent_path_template; nil of any other decision. Policy gave no answer then.
func refusedByTemplate(d *decisionlog.Decision) *Answer {
	refused := d.Outcome.Outcome == loggedDenied || d.Outcome.Outcome == loggedDeniedForNow
	if !refused || d.Result != nil || !slices.Contains(d.Outcome.Rules, rego.Fired{Rule: agentpath.Rule, Effect: rego.EffectDenied}) {
		return nil
	}
	return &Answer{Outcome: Denied, Denials: []rego.Violation{{Rule: agentpath.Rule, Msg: d.Outcome.Error}}}
}

// orRefused is what comes of an answer for a node that a template with tags refused: that
// again, if policy waits for the template. Before there are facts it may deny the node or
// give it a path of its own, whose first use nobody has looked at. Of a node that was
// refused otherwise, or not at all, refused is nil.
func orRefused(answer, refused *Answer) *Answer {
	if refused != nil && answer.Outcome == Unknown && answer.AgentPath == "" {
		return refused
	}
	return answer
}
