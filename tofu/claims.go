package tofu

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Claims are short-lived holds on nodes. Between the question whether an agent
// has attested and SPIRE's storing it, a claim keeps every other attestation of
// the same agent or machine out; SPIRE's AgentStore alone can't.
//
// Memory holds them for one process, postgres.DB for all that share a database,
// Both for a process that does both. All are safe for concurrent use.
type Claims interface {
	// Take claims the node's agent and its machine, or neither when another
	// attestation holds one of them. An error means that it is not known who
	// holds them: nobody may be let in on it. The Claim is nil only with an error.
	// One that is held has to end, by Keep or Release.
	Take(ctx context.Context, node Node) (Claim, error)

	// Look is Take by one who knows already that another attestation holds the
	// node: it takes nothing, and answers with a claim that is not held.
	Look(ctx context.Context, node Node) (Claim, error)
}

// Claim is what one attestation has of a node. It is for one goroutine.
type Claim interface {
	// Held is false when another attestation holds the node.
	Held() bool

	// First is what is remembered of the machine's first use; nil when nothing
	// is. It was asked for after the claim was taken.
	First() *First

	// Keep lets a held claim run out by itself: the node is accepted, and SPIRE is
	// about to store it. It remembers the first use, where that is done, in the
	// same instant. ErrLost means that the claim ran out before, or that what is
	// remembered is no longer what First said: then, as with any error, the node
	// must not be let in. Policy may let in whom another's claim should keep out:
	// such a claim only remembers. peer is the agent's address; the zero value if unknown.
	Keep(ctx context.Context, peer netip.Addr) error

	// Release ends the claim at once: nobody was let in. It ends no claim that was
	// kept, nor another's. A claim whose release fails runs out by itself. It
	// obeys ctx's values, and not its end: who hangs up must not hold a claim.
	Release(ctx context.Context) error
}

// ErrLost is the error of Keep when what the decision rested on has changed.
var ErrLost = errors.New("the claim was lost")

// Node is what an attestation is about.
type Node struct {
	// AgentID is the SPIFFE ID that the agent is to have.
	AgentID string

	// Machine names the machine behind the evidence, whatever agent it becomes,
	// in one trust domain.
	Machine string
}

// First is what is remembered of a machine's first use, for as long as it takes
// until an operator has it forgotten.
type First struct {
	// AgentID is the agent that the machine became.
	AgentID string

	// Time is when it did, by the clock of what remembers.
	Time time.Time

	// PeerIP is the address that the agent had then; the zero value if unknown.
	PeerIP netip.Addr

	// Uses counts how often the machine was accepted as that agent: 1 after the
	// first time.
	Uses int64
}
