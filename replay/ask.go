package replay

import (
	"context"
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// absent is the status of a fact that the cloud knows nothing of: see input.facts_status.
const absent = "absent"

// The questions of a decision log, by how far an attestation came.
const (
	atAdmission = "admission"
	atDecision  = "decision"
)

// ask puts a recorded decision to a policy as an attestation does, and returns what it
// was asked last, too. recordedPath is the agent path that was decided about then, for
// which input.tofu holds.
func ask(ctx context.Context, engine *rego.Engine, in rego.Input, recordedPath string) (*Answer, rego.Input) {
	again, err := engine.Retake(ctx, in, recordedPath)
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
