package replay

import (
	"context"
	"slices"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// absent is the status of a fact that the cloud knows nothing of: see input.facts_status.
const absent = "absent"

// The questions of a decision log, by how far an attestation came.
const (
	atAdmission = "admission"
	atDecision  = "decision"
)

// templateFact is the fact that a configuration's agent_path_template needs; empty for
// none.
func templateFact(config map[string]any) string {
	template, _ := config["agent_path_template"].(string)
	if agentpath.NeedsTags(template) {
		return agentpath.TagsFact
	}
	return ""
}

// ask puts a recorded decision to a policy as an attestation does, and returns what it
// was asked last, too.
func ask(ctx context.Context, engine *rego.Engine, recorded rego.Taken) (*Answer, rego.Input) {
	again, err := engine.Retake(ctx, recorded)
	lacking := slices.Concat(again.Required, again.Optional)
	slices.Sort(lacking)
	answer := &Answer{
		Denials: again.Admission.Denials(), AgentPath: again.Admission.AgentPath,
		Warnings: again.Admission.Warnings, Exempt: again.Admission.Exempt, Lacking: lacking,
	}
	switch d := again.Decision; {
	case err != nil:
		answer = &Answer{Outcome: Failed, Error: err.Error(), Lacking: lacking}
	case len(answer.Denials) > 0:
		answer.Outcome = Denied
	case d == nil:
		answer.Outcome = Unknown
	default:
		answer = &Answer{
			Outcome: Allowed, Denials: d.Denials(), AgentPath: d.AgentPath, Selectors: d.Selectors,
			CanReattest: d.CanReattest, Warnings: d.Warnings, Exempt: d.Exempt, Lacking: lacking,
		}
		if len(answer.Denials) > 0 {
			answer.Outcome = Denied
		}
	}
	return answer, again.Input
}
