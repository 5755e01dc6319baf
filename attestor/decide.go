package attestor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/tofu"
)

// A Case is one attestation to decide about, without SPIRE and on no stream.
type Case struct {
	// Payload is what an agent sent. It is verified as ever.
	Payload []byte

	// Recorded is an input of an earlier decision, or one that somebody wrote, in
	// the place of a payload. What is in it is believed.
	Recorded *rego.Input

	// Facts by name, each as input.facts has it, null for one of which the cloud
	// says that there is none. They come before what is recorded.
	Facts map[string]json.RawMessage

	// Live has the clouds asked for facts, about the evidence in a payload.
	Live bool

	// Attested is SPIRE's answer whether the agent has attested before, in the
	// place of what is recorded; nil for what is recorded, or else no.
	Attested *bool

	// PeerIP is the agent's address, in the place of what is recorded; the zero
	// value for what is recorded, or else none.
	PeerIP netip.Addr

	// Trace says how much of OPA's trace to have.
	Trace rego.TraceLevel
}

// A Verdict is what came of a Case.
type Verdict struct {
	// Outcome is "attested", or else the class of the refusal as the log has it.
	Outcome string

	// Reason is what the server's log would have; empty if the node got in.
	Reason string

	Node        string // the machine that the evidence is about, if a payload said so
	AgentID     string // empty while it is not known
	Selectors   []string
	CanReattest bool
	Denials     []rego.Violation
	Exempt      []string
	Warnings    []rego.Violation
	FactErrors  []string

	// Input is the last that policy was asked about, and Explanation what its rules
	// made of that. Both are nil if nothing was verified.
	Input       *rego.Input
	Explanation *rego.Explanation
}

// Attested reports whether the node got in.
func (v Verdict) Attested() bool { return v.Outcome == outcomeAttested }

// Denied reports whether the node was refused for what it is: by policy, or for
// evidence that is none.
func (v Verdict) Denied() bool {
	return v.Outcome == denied.name || v.Outcome == deniedForNow.name || v.Outcome == badEvidence.name
}

// Decide decides about a case in the six steps of an attestation, and explains. An
// error says what is wrong with the case itself.
func (c *Configuration) Decide(ctx context.Context, q Case) (Verdict, error) {
	a, err := c.attestation(q)
	if err != nil {
		return Verdict{}, err
	}
	peer, payload := q.PeerIP, q.Payload
	if q.Recorded != nil {
		peer, payload = cmp.Or(peer, q.Recorded.PeerIP), []byte(recordedIdentity)
	}
	a.record.peerIP = peer
	refused := a.runSafely(ctx, payload)
	verdict := Verdict{
		Outcome:     outcomeAttested,
		Node:        a.record.identity,
		AgentID:     a.record.agentID,
		Selectors:   a.record.selectors,
		CanReattest: a.record.canReattest,
		Exempt:      a.record.exempt,
		Warnings:    a.record.warnings,
		FactErrors:  a.record.factErrors,
	}
	if q.Recorded != nil {
		verdict.Node = "" // it is not in an input
	}
	if refused != nil {
		r := asRefusal(ctx, refused)
		verdict.Outcome, verdict.Reason, verdict.Denials = r.class.name, r.Error(), r.denials
	}
	if a.evidence == nil {
		return verdict, nil
	}
	verdict.Input = &a.input
	explanation, err := a.engine.Explain(ctx, a.input, q.Trace)
	if err != nil {
		// What stops an explanation has stopped the decision: the verdict says so.
		if refused == nil {
			return Verdict{}, err
		}
		return verdict, nil
	}
	verdict.Explanation = &explanation
	return verdict, nil
}

// attestation makes the case ready for its six steps: SPIRE is asked nothing, and
// a claim is nobody else's, unless the case says so.
func (c *Configuration) attestation(q Case) (*attestation, error) {
	s := *c.snapshot
	given, err := c.kind.readFacts(q.Facts)
	if err != nil {
		return nil, err
	}
	switch {
	case (q.Payload == nil) == (q.Recorded == nil):
		return nil, errors.New("a case is a payload or a recorded input")
	case q.Live && q.Recorded != nil:
		return nil, errors.New("clouds are asked about verified evidence only, which a recorded input is not")
	case q.Payload != nil && !q.Live:
		s.collector = givenFacts{s.collector, given}
	case q.Payload != nil && len(given) > 0:
		return nil, errors.New("facts are given or asked for, not both")
	}
	attested := false
	var claims recordedClaims
	if in := q.Recorded; in != nil {
		if in.Plugin != c.kind.name {
			return nil, fmt.Errorf("the input is of plugin %q, the configuration of %q", in.Plugin, c.kind.name)
		}
		recorded, err := newRecording(c.kind, *in)
		if err != nil {
			return nil, err
		}
		maps.Copy(recorded.facts, given)
		s.collector = recorded
		if in.Tofu != nil {
			attested = in.Tofu.Attested
		}
		claims = newRecordedClaims(in.Tofu, s.trustDomain.IDString())
		if s.agentPath == nil && in.TemplatedAgentPath != "" {
			s.agentPath = func(any, map[string]any) (string, error) { return in.TemplatedAgentPath, nil }
		}
	}
	if q.Attested != nil {
		attested = *q.Attested
	}
	s.agents = tofu.New(everyAgent(attested))
	s.claims = claims
	return &attestation{snapshot: &s, record: newRecord(c.now, &s, meter{})}, nil
}

// everyAgent is an AgentStore that says of every agent that it has attested, or
// that it has not.
type everyAgent bool

// GetAgentInfo implements tofu.AgentStore.
func (e everyAgent) GetAgentInfo(_ context.Context, req *agentstorev1.GetAgentInfoRequest, _ ...grpc.CallOption) (*agentstorev1.GetAgentInfoResponse, error) {
	if !e {
		return nil, status.Error(codes.NotFound, "not attested")
	}
	return &agentstorev1.GetAgentInfoResponse{Info: &agentstorev1.AgentInfo{AgentId: req.GetAgentId()}}, nil
}

var _ evidence.Collector = (*recording)(nil)
