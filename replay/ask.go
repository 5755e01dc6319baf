package replay

import (
	"context"
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// What the status of a fact is that could not be learned, and of one that the cloud
// knows nothing of: see input.facts_status.
const (
	failed = "error"
	absent = "absent"
)

// The questions of a decision log, by how far an attestation came.
const (
	atAdmission = "admission"
	atDecision  = "decision"
)

// ask puts a recorded decision to a policy as an attestation does: the admission
// first, without facts, and then the decision with the facts that it wanted, of
// those that there are. recordedPath is the agent path that
// was decided about then, for which input.tofu holds.
func ask(ctx context.Context, engine *rego.Engine, in rego.Input, recordedPath string) *Answer {
	early := in
	early.Facts, early.FactsStatus = nil, nil
	admission, err := engine.Admit(ctx, early)
	if err == nil && reopens(admission.AgentPath, recordedPath, in.Tofu) {
		in.Tofu = unattested(in.Tofu)
		early.Tofu = in.Tofu
		admission, err = engine.Admit(ctx, early)
	}
	if err != nil {
		return &Answer{Outcome: Failed, Error: err.Error()}
	}
	if denials := admission.Denials(); len(denials) > 0 {
		return &Answer{Outcome: Denied, Denials: denials, AgentPath: admission.AgentPath, Warnings: admission.Warnings, Exempt: admission.Exempt}
	}
	lacking, unknown := lacks(admission, in)
	if unknown {
		return &Answer{Outcome: Unknown, AgentPath: admission.AgentPath, Warnings: admission.Warnings, Exempt: admission.Exempt, Lacking: lacking}
	}
	in = admission.Gathered(in)
	decision, err := engine.Decide(ctx, in)
	if err == nil && admission.AgentPath == "" && reopens(decision.AgentPath, recordedPath, in.Tofu) {
		in.Tofu = unattested(in.Tofu)
		decision, err = engine.Decide(ctx, in)
	}
	if err != nil {
		return &Answer{Outcome: Failed, Error: err.Error(), Lacking: lacking}
	}
	answer := &Answer{
		Outcome: Allowed, Denials: decision.Denials(), AgentPath: decision.AgentPath, Selectors: decision.Selectors,
		CanReattest: decision.CanReattest, Warnings: decision.Warnings, Exempt: decision.Exempt, Lacking: lacking, facts: in.Facts,
	}
	switch {
	case len(answer.Denials) > 0:
		answer.Outcome = Denied
	case admission.AgentPath != "" && admission.AgentPath != decision.AgentPath:
		return &Answer{Outcome: Failed, Error: "policy's decision has another agent_path than its admission: first use was checked for the latter"}
	}
	return answer
}

// reopens reports whether what is known about first use is of another agent path:
// nobody has attested under the new one.
func reopens(path, recordedPath string, known *rego.Tofu) bool {
	return path != "" && recordedPath != "" && path != recordedPath && known != nil && (known.Attested || known.Claimed)
}

// unattested is what is known about first use of another agent path. What is
// remembered is of the machine, whatever its path.
func unattested(known *rego.Tofu) *rego.Tofu { return &rego.Tofu{First: known.First} }

// lacks lists the facts that policy wants and the log does not have. Without a
// required one its decision is not known, nor without a word on first use.
func lacks(admission rego.Admission, in rego.Input) (lacking []string, unknown bool) {
	missing := func(name string) bool {
		_, known := in.Facts[name]
		status := in.FactsStatus[name]
		return !known && (status == "" || status == rego.NotCollected)
	}
	for _, name := range admission.Required {
		if missing(name) || in.Facts[name] == nil && in.FactsStatus[name] == failed {
			lacking, unknown = append(lacking, name), true
		}
	}
	for _, name := range admission.Optional {
		if missing(name) {
			lacking = append(lacking, name)
		}
	}
	if in.Tofu == nil {
		lacking, unknown = append(lacking, "tofu"), true
	}
	slices.Sort(lacking)
	return lacking, unknown
}
