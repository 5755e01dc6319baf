package attestor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// attest takes one payload to a decision, in the six steps of an attestation. It
// fills the record as it goes, so that a refusal can be reported with all that
// was known by then. One snapshot of configuration and policy serves all steps.
func (s *snapshot) attest(ctx context.Context, rec *record, payload []byte) error {
	// 1. Verify: nothing is looked at before the authority's signature holds.
	ev, err := s.verify(ctx, payload)
	if err != nil {
		return err
	}
	rec.identity = ev.Identity()
	input := rego.Input{
		Plugin:      s.plugin,
		TrustDomain: s.trustDomain.Name(),
		Time:        rec.started,
		PeerIP:      peerIP(ctx),
		Evidence:    ev.Claims(),
	}

	// 2. Admit: deny on signed claims alone, before a cloud call is spent. When
	// the agent path is known already, so is whether this is a replay.
	if err := s.renderAgentPath(&input); err != nil {
		return err
	}
	admission, err := s.admit(ctx, rec, &input)
	if err != nil {
		return err
	}

	// 3. Gather the facts that the decision needs, and no others.
	if err := s.gather(ctx, rec, ev, admission, &input); err != nil {
		return err
	}
	if admission.AgentPath == "" {
		// The path needs facts, and now they are there.
		if err := s.renderAgentPath(&input); err != nil {
			return err
		}
		if admission, err = s.admit(ctx, rec, &input); err != nil {
			return err
		}
		if admission.AgentPath == "" {
			return refuse(internal, "policy gives no agent_path, even with all the facts that it asked for")
		}
	} else if err := s.firstUse(ctx, admission.AgentPath, &input); err != nil {
		// 4. First use: gathering took time in which another holder of the
		// same evidence may have attested.
		return err
	}

	// 5. Decide over the whole input.
	decision, err := s.engine.Decide(ctx, input)
	if err != nil {
		return refuse(internal, "decide: %w", err)
	}
	rec.exempt = decision.Exempt
	rec.warnings = decision.Warnings
	if denials := decision.Denials(); len(denials) > 0 {
		return deny(denials)
	}

	// 6. Answer. The engine has checked the answer's shape; what it can't know
	// is that first use was asked for this very path.
	if decision.AgentPath != admission.AgentPath {
		return refuse(internal, "policy's decision has agent_path %q, but its admission had %q: first use was checked for the latter", decision.AgentPath, admission.AgentPath)
	}
	rec.selectors = decision.Selectors
	rec.canReattest = decision.CanReattest
	return nil
}

func (s *snapshot) verify(ctx context.Context, payload []byte) (evidence.Evidence, error) {
	if len(payload) == 0 {
		return nil, refuse(badEvidence, "verify: the payload is empty")
	}
	ev, err := s.collector.Verify(ctx, payload)
	switch {
	case errors.Is(err, evidence.ErrUnavailable):
		return nil, refuse(unavailable, "verify: %w", err)
	case err != nil:
		return nil, refuse(badEvidence, "verify: %w", err)
	}
	return ev, nil
}

// admit evaluates the admission, and once more with input.tofu when the agent
// path turns out to be in use: a policy that allows re-attestation sees the same
// question as one that does not.
func (s *snapshot) admit(ctx context.Context, rec *record, input *rego.Input) (rego.Admission, error) {
	admission, err := s.engine.Admit(ctx, *input)
	if err != nil {
		return rego.Admission{}, refuse(internal, "admit: %w", err)
	}
	rec.exempt = admission.Exempt
	if denials := admission.Denials(); len(denials) > 0 {
		return rego.Admission{}, deny(denials)
	}
	if admission.AgentPath == "" {
		return admission, nil
	}
	rec.agentID = s.agentID(admission.AgentPath)
	if err := s.firstUse(ctx, admission.AgentPath, input); err != nil {
		return rego.Admission{}, err
	}
	if !input.Tofu.Attested && !input.Tofu.Claimed {
		return admission, nil
	}
	path := admission.AgentPath
	if admission, err = s.engine.Admit(ctx, *input); err != nil {
		return rego.Admission{}, refuse(internal, "admit: %w", err)
	}
	if denials := admission.Denials(); len(denials) > 0 {
		return rego.Admission{}, deny(denials)
	}
	if admission.AgentPath != path {
		return rego.Admission{}, refuse(internal, "policy's agent_path depends on input.tofu: %q became %q", path, admission.AgentPath)
	}
	return admission, nil
}

// gather collects the facts that admission asked for into the input. A required
// fact that can't be learned ends the attestation: policy must not have to guess.
func (s *snapshot) gather(ctx context.Context, rec *record, ev evidence.Evidence, admission rego.Admission, input *rego.Input) error {
	wanted := slices.Concat(admission.Required, admission.Optional)
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	known := s.collector.FactNames()
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return refuse(internal, "policy asks for fact %q; %s has %s", name, s.plugin, strings.Join(known, ", "))
		}
	}

	ctx, cancel := context.WithTimeout(ctx, s.cloudTimeout)
	defer cancel()
	facts := ev.Gather(ctx, wanted)

	input.Facts = make(map[string]any, len(known))
	input.FactsStatus = make(map[string]string, len(known))
	var missing []error
	for _, name := range known {
		fact, asked := facts[name]
		switch {
		case !asked || !slices.Contains(wanted, name):
			input.FactsStatus[name] = string(evidence.StatusNotCollected)
		case fact.Status == evidence.StatusKnown:
			input.Facts[name] = fact.Value
		default:
			input.FactsStatus[name] = string(fact.Status)
			if fact.Err != nil {
				rec.factErrors = append(rec.factErrors, fact.Err.Error())
			}
			if fact.Status != evidence.StatusAbsent && slices.Contains(admission.Required, name) {
				missing = append(missing, fmt.Errorf("fact %s: %w", name, fact.Err))
			}
		}
	}
	if len(missing) > 0 {
		return refuse(unavailable, "gather: %w", errors.Join(missing...))
	}
	return nil
}

// renderAgentPath renders agent_path_template, where one is configured, as far as
// the input allows. A node whose values make no good path is refused by name of
// the key, as if that were a rule: it can be told from a policy's own refusals.
func (s *snapshot) renderAgentPath(input *rego.Input) error {
	if s.agentPath == nil {
		return nil
	}
	path, err := s.agentPath(input.Evidence, input.Facts)
	if err != nil {
		return deny([]rego.Violation{{Rule: "agent_path_template", Msg: err.Error()}})
	}
	input.TemplatedAgentPath = path
	return nil
}

// firstUse sets input.tofu for an agent path.
func (s *snapshot) firstUse(ctx context.Context, agentPath string, input *rego.Input) error {
	attested, err := s.tofu.Attested(ctx, s.agentID(agentPath))
	if err != nil {
		return refuse(unavailable, "first use: %w", err)
	}
	input.Tofu = &rego.Tofu{Attested: attested}
	return nil
}

// agentID is the SPIFFE ID of an agent path that the engine has checked.
func (s *snapshot) agentID(agentPath string) string {
	return s.trustDomain.IDString() + agentPath
}
