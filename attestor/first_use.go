package attestor

import (
	"context"
	"strings"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/tofu"
)

// firstUse sets input.tofu for an agent path. The claim comes first: who asks
// SPIRE while another holds the claim could get an answer that is about to
// change. It is on the agent and on the machine, so that one machine is not given
// two agents at the same time by a tag that changes between two attestations.
func (a *attestation) firstUse(ctx context.Context, agentPath string) error {
	defer a.record.time("first_use")()
	agentID := a.agentID(agentPath)
	if a.claim == nil || !a.claim.Held() {
		// Another trust domain may give the same machine an agent, too.
		machine := a.trustDomain.Name() + "/" + a.evidence.Identity()
		claim, err := a.claims.Take(ctx, tofu.Node{AgentID: agentID, Machine: machine})
		if err != nil {
			a.record.claimed("error")
			return refuse(unavailable, "first use: %w", err)
		}
		if a.claim = claim; claim.Held() {
			a.record.claimed("taken")
		} else {
			a.record.claimed("refused")
		}
	}
	attested, err := a.attestedSafely(ctx, agentID)
	if err != nil {
		return err
	}
	a.input.Tofu = &rego.Tofu{Attested: attested, Claimed: !a.claim.Held(), First: a.first()}
	return nil
}

// attestedSafely asks SPIRE whether an agent has attested.
func (a *attestation) attestedSafely(ctx context.Context, agentID string) (attested bool, err error) {
	defer recovered.To(&err)
	if attested, err = a.agents.Attested(ctx, agentID); err != nil {
		return false, refuse(unavailable, "first use: %w", err)
	}
	return attested, nil
}

// decideStillFirst decides as soon as first use is looked at again, for an agent
// path that has been looked at before. Nearly always SPIRE answers as before, so
// that policy is asked at the same time: that answer counts only if it was about
// what SPIRE says now.
func (a *attestation) decideStillFirst(ctx context.Context, agentPath string) (rego.Decision, error) {
	if !a.claim.Held() { // who had it may have released it
		if err := a.firstUse(ctx, agentPath); err != nil {
			return rego.Decision{}, err
		}
		return a.decide(ctx)
	}
	before := a.record.consulted
	type answer struct {
		attested bool
		err      error
	}
	again := make(chan answer, 1)
	go func() {
		attested, err := a.attestedSafely(ctx, a.agentID(agentPath))
		again <- answer{attested, err}
	}()
	decision, refused := a.decide(ctx)
	defer a.record.time("first_use")()
	now := <-again
	switch {
	case now.err != nil:
		a.record.consulted = before
		return rego.Decision{}, now.err
	case now.attested == a.input.Tofu.Attested:
		return decision, refused
	}
	a.input.Tofu = &rego.Tofu{Attested: now.attested, First: a.input.Tofu.First}
	return a.decide(ctx)
}

// first is what is remembered of the machine, as policy sees it.
func (a *attestation) first() *rego.First {
	remembered := a.claim.First()
	if remembered == nil {
		return nil
	}
	first := &rego.First{
		AgentPath: strings.TrimPrefix(remembered.AgentID, a.trustDomain.IDString()),
		Time:      remembered.Time,
		Uses:      remembered.Uses,
	}
	if remembered.PeerIP.IsValid() {
		first.PeerIP = remembered.PeerIP.String()
	}
	return first
}

// release ends the claim, if it was not kept.
func (a *attestation) release(ctx context.Context) {
	if a.claim == nil {
		return
	}
	if err := a.claim.Release(ctx); err != nil {
		a.record.claimError = err.Error() // it runs out by itself
		a.record.claimed("error")
	}
}
