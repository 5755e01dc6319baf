package rego

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// Input is all that a policy can see of one attestation, besides the
// configuration.
type Input struct {
	// Plugin is the plugin that asks; the engine's own.
	Plugin string

	// TrustDomain is the server's, without "spiffe://".
	TrustDomain string

	// Time is the one clock of the decision.
	Time time.Time

	// PeerIP is the agent's address as SPIRE forwards it; the zero value if it
	// doesn't.
	PeerIP netip.Addr

	// Evidence is what the authority signed: a struct with JSON tags.
	Evidence any

	// TemplatedAgentPath is the path that the configured template renders; empty
	// without a template, and while it needs facts.
	TemplatedAgentPath string

	// Facts are the known facts, and FactsStatus says of others why they are not
	// there. Both are nil at admission, unless it is asked again because the agent
	// path needs facts.
	Facts       map[string]any
	FactsStatus map[string]string

	// Tofu may be nil at admission, while the agent path needs facts.
	Tofu *Tofu
}

// Tofu says what is known about the first use of an agent path.
type Tofu struct {
	// Attested: SPIRE holds an agent of that path.
	Attested bool `json:"attested"`

	// Claimed: another attestation holds the path, or the evidence, right now.
	Claimed bool `json:"claimed"`

	// First is what is remembered of the machine's first use; nil when nothing is.
	First *First `json:"first,omitempty"`
}

// First says what agent a machine became first.
type First struct {
	// AgentPath is that agent's.
	AgentPath string `json:"agent_path"`

	// Time is when it was let in.
	Time time.Time `json:"time"`

	// PeerIP is the address that it came from; empty when unknown.
	PeerIP string `json:"peer_ip,omitempty"`

	// Uses counts how often the machine was let in as that agent.
	Uses int64 `json:"uses"`
}

// document is the input as policies see it: policies/schemas describes it.
type document struct {
	Plugin             string            `json:"plugin"`
	TrustDomain        string            `json:"trust_domain"`
	Time               time.Time         `json:"time"`
	Peer               *peer             `json:"peer,omitempty"`
	Evidence           any               `json:"evidence"`
	TemplatedAgentPath string            `json:"templated_agent_path,omitempty"`
	Facts              map[string]any    `json:"facts,omitzero"`
	FactsStatus        map[string]string `json:"facts_status,omitzero"`
	Tofu               *Tofu             `json:"tofu,omitempty"`
}

type peer struct {
	IP string `json:"ip"`
}

// Document returns the input in the form that policies see. As JSON it is what
// policies/schemas describes.
func (in Input) Document() any { return in.document() }

func (in Input) document() document {
	doc := document{
		Plugin:             in.Plugin,
		TrustDomain:        in.TrustDomain,
		Time:               in.Time.UTC(),
		Evidence:           in.Evidence,
		TemplatedAgentPath: in.TemplatedAgentPath,
		Facts:              in.Facts,
		FactsStatus:        in.FactsStatus,
		Tofu:               in.Tofu,
	}
	if in.PeerIP.IsValid() {
		doc.Peer = &peer{IP: in.PeerIP.Unmap().String()}
	}
	return doc
}

// encodeInput checks what every input must have and encodes it.
func (e *Engine) encodeInput(in Input) (_ ast.Value, err error) {
	defer recovered.To(&err)
	switch {
	case in.Plugin != e.plugin:
		return nil, fmt.Errorf("input is of plugin %q, the engine of %q", in.Plugin, e.plugin)
	case in.TrustDomain == "":
		return nil, errors.New("input has no trust domain")
	case in.Time.IsZero():
		return nil, errors.New("input has no time")
	case in.Evidence == nil:
		return nil, errors.New("input has no evidence")
	}
	value, err := e.encoder.encode(in.document())
	if err != nil {
		return nil, fmt.Errorf("encoding the input: %w", err)
	}
	return value, nil
}
