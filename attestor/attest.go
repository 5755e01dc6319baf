package attestor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/tofu"
)

// attestation takes one payload to a decision. It fills the record as it goes,
// so that a refusal can be reported with all that was known by then.
type attestation struct {
	*snapshot
	record   *record
	evidence evidence.Evidence
	input    rego.Input
	claim    tofu.Claim // nil until first use is looked at
}

// run takes the six steps of an attestation.
func (a *attestation) run(ctx context.Context, payload []byte) error {
	// However this ends, by a panic too: a claim that was not kept is released.
	defer a.release(ctx)

	// 1. Verify: nothing is looked at before the authority's signature holds.
	if err := a.verify(ctx, payload); err != nil {
		return err
	}

	// 2. Admit: deny on signed claims alone, before a cloud call is spent. When
	// the agent path is known already, so is whether this is a replay.
	admission, err := a.admit(ctx)
	if err != nil {
		return err
	}

	// 3. Gather the facts that the decision needs, and no others.
	if err := a.gather(ctx, admission); err != nil {
		return err
	}

	// 4. First use, 5. decide over the whole input. If the agent path needed facts,
	// admission knows it now. If not, gathering took time in which a holder of the
	// same evidence may have attested at another server.
	var decision rego.Decision
	if admission.AgentPath != "" {
		decision, err = a.decideStillFirst(ctx, admission.AgentPath)
	} else if admission, err = a.admit(ctx); err == nil && admission.AgentPath == "" {
		err = refuse(internal, "policy gives no agent_path, even with all the facts that it asked for")
	} else if err == nil {
		decision, err = a.decide(ctx)
	}
	if err != nil {
		return err
	}

	// 6. Answer. The engine has checked the answer's shape; what it can't know
	// is that first use was asked for this very path.
	if decision.AgentPath != admission.AgentPath {
		return refuse(internal, "policy's decision has agent_path %q, but its admission had %q: first use was checked for the latter", decision.AgentPath, admission.AgentPath)
	}
	a.record.selectors = decision.Selectors
	a.record.canReattest = decision.CanReattest
	if err := a.claim.Keep(ctx, a.input.PeerIP); err != nil {
		a.record.claimed("error")
		return refuse(unavailable, "first use: %w", err)
	}
	a.record.claimed("kept")
	return nil
}

func (a *attestation) verify(ctx context.Context, payload []byte) error {
	defer a.record.time("verify")()
	if len(payload) == 0 {
		return refuse(badEvidence, "verify: the payload is empty")
	}
	ev, err := a.collector.Verify(ctx, payload)
	switch {
	case errors.Is(err, evidence.ErrUnavailable):
		return refuse(unavailable, "verify: %w", err).waitAsTold(err)
	case err != nil:
		a.record.payload = decisionlog.PayloadOf(payload)
		return refuse(badEvidence, "verify: %w", err)
	}
	a.evidence = ev
	a.record.identity = ev.Identity()
	a.input = rego.Input{
		Plugin:      a.plugin,
		TrustDomain: a.trustDomain.Name(),
		Time:        a.record.started,
		PeerIP:      a.record.peerIP,
		Evidence:    ev.Claims(),
	}
	return nil
}

// admit evaluates the admission, and once more with input.tofu when the agent
// path turns out to be in use, or the machine to be known: a policy that allows
// re-attestation sees the same question as one that does not.
func (a *attestation) admit(ctx context.Context) (rego.Admission, error) {
	if err := a.renderAgentPath(); err != nil {
		return rego.Admission{}, err
	}
	admission, err := a.askAdmission(ctx)
	if err != nil || admission.AgentPath == "" {
		return admission, err
	}
	a.record.agentID = a.agentID(admission.AgentPath)
	if err := a.firstUse(ctx, admission.AgentPath); err != nil {
		return rego.Admission{}, err
	}
	if *a.input.Tofu == (rego.Tofu{}) {
		return admission, nil
	}
	again, err := a.askAdmission(ctx)
	if err != nil {
		return rego.Admission{}, err
	}
	if again.AgentPath != admission.AgentPath {
		return rego.Admission{}, refuse(internal, "policy's agent_path depends on input.tofu: %q became %q", admission.AgentPath, again.AgentPath)
	}
	return again, nil
}

func (a *attestation) askAdmission(ctx context.Context) (rego.Admission, error) {
	defer a.record.time("admit")()
	a.record.judged = nil
	admission, err := a.engine.Admit(ctx, a.input)
	if err != nil {
		return rego.Admission{}, refuse(internal, "admit: %w", err)
	}
	a.record.exempt = admission.Exempt
	a.record.warnings = admission.Warnings
	if denials := admission.Denials(); len(denials) > 0 {
		a.record.judged = &judgement{input: a.input, denials: denials, agentPath: admission.AgentPath, templateFact: a.templateFact}
		return rego.Admission{}, deny(denials)
	}
	return admission, nil
}

// renderAgentPath renders agent_path_template, where one is configured, as far as
// the input allows. A node whose values make no good path is refused by name of
// the key, as if that were a rule: it can be told from a policy's own refusals.
func (a *attestation) renderAgentPath() error {
	if a.agentPath == nil {
		return nil
	}
	path, err := a.agentPath(a.input.Evidence, a.input.Facts)
	if absent := a.absentFacts(); err == nil && path == "" && len(absent) > 0 {
		err = fmt.Errorf("the path needs facts, and there is no %s", strings.Join(absent, ", no "))
	}
	if err != nil {
		a.record.asked, _ = a.engine.Unasked("admission", a.input)
		a.record.judged = nil
		return deny([]rego.Violation{{Rule: agentpath.Rule, Msg: err.Error()}})
	}
	a.input.TemplatedAgentPath = path
	return nil
}

// absentFacts names those of which the cloud says that there are none.
func (a *attestation) absentFacts() []string {
	var names []string
	for name, why := range a.input.FactsStatus {
		if why == string(evidence.StatusAbsent) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// gather collects the facts that admission asked for into the input. A required
// fact that can't be learned ends the attestation: policy must not have to guess.
func (a *attestation) gather(ctx context.Context, admission rego.Admission) error {
	defer a.record.time("gather")()
	wanted := slices.Concat(admission.Required, admission.Optional)
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	known := a.collector.FactNames()

	ctx, cancel := context.WithTimeout(ctx, a.cloudTimeout)
	defer cancel()
	facts := a.evidence.Gather(ctx, wanted)

	a.input.Facts = make(map[string]any, len(known))
	a.input.FactsStatus = make(map[string]string, len(known))
	var missing []string
	var causes []error
	for _, name := range known {
		fact := facts[name]
		switch {
		case !slices.Contains(wanted, name):
			fact = evidence.Fact{Status: evidence.StatusNotCollected}
		case fact.Status == "":
			fact = evidence.Failed(errors.New("the collector gave no answer"))
		}
		if fact.Status == evidence.StatusKnown {
			a.input.Facts[name] = fact.Value
			continue
		}
		a.input.FactsStatus[name] = string(fact.Status)
		if fact.Status != evidence.StatusError {
			continue
		}
		if p := new(recovered.Panic); errors.As(fact.Err, &p) {
			return fmt.Errorf("gather: fact %s: %w", name, fact.Err)
		}
		problem := fmt.Sprintf("fact %s: %v", name, fact.Err)
		if slices.Contains(admission.Required, name) {
			missing, causes = append(missing, problem), append(causes, fact.Err)
		} else {
			a.record.factErrors = append(a.record.factErrors, problem)
		}
	}
	if len(missing) > 0 {
		return refuse(unavailable, "gather: %s", strings.Join(missing, "; ")).waitAsTold(causes...)
	}
	return nil
}

// decide asks for the decision, over all that is known now.
func (a *attestation) decide(ctx context.Context) (rego.Decision, error) {
	defer a.record.time("decide")()
	a.record.judged = nil
	decision, err := a.engine.Decide(ctx, a.input)
	if err != nil {
		return rego.Decision{}, refuse(internal, "decide: %w", err)
	}
	a.record.exempt = decision.Exempt
	a.record.warnings = decision.Warnings
	denials := decision.Denials()
	a.record.judged = &judgement{
		input: a.input, whole: true, denials: denials, templateFact: a.templateFact,
		agentPath: decision.AgentPath, selectors: decision.Selectors, canReattest: decision.CanReattest,
	}
	if len(denials) > 0 {
		return rego.Decision{}, deny(denials)
	}
	return decision, nil
}

// agentID is the SPIFFE ID of an agent path that the engine has checked.
func (s *snapshot) agentID(agentPath string) string {
	return s.trustDomain.IDString() + agentPath
}
