package tofu

import (
	"container/list"
	"sync"
	"time"
)

// Claims are short-lived holds on names: of agents, and of the machines behind
// evidence. Between the question whether an agent has attested and SPIRE's
// storing it, a claim keeps every other attestation of the same agent or machine
// out; SPIRE's AgentStore alone can't.
//
// These claims are this process's own. They are safe for concurrent use.
type Claims struct {
	ttl time.Duration
	now func() time.Time

	mu     sync.Mutex
	held   map[string]*Claim
	ending *list.List // of *Claim that were kept, the one that ends first in front
}

// Claim is a hold on names, for one attestation. Exactly one of Release and
// Keep ends it; what is called after that does nothing.
type Claim struct {
	claims *Claims
	names  []string
	until  time.Time // zero while the attestation runs
	over   bool
}

// NewClaims returns claims that live for ttl after they were kept: time enough
// for SPIRE to store the agent. now is the clock; nil means time.Now.
func NewClaims(ttl time.Duration, now func() time.Time) *Claims {
	if now == nil {
		now = time.Now
	}
	return &Claims{ttl: ttl, now: now, held: map[string]*Claim{}, ending: list.New()}
}

// Take claims all of the names, or none of them when one is held: then the
// answer is false, and there is no claim.
func (c *Claims) Take(names ...string) (*Claim, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	for _, name := range names {
		if c.held[name] != nil {
			return nil, false
		}
	}
	claim := &Claim{claims: c, names: names}
	for _, name := range names {
		c.held[name] = claim
	}
	return claim, true
}

// expire drops the claims whose time is over. Memory is bounded by the
// attestations that run, and those accepted within ttl.
func (c *Claims) expire() {
	now := c.now()
	for front := c.ending.Front(); front != nil; front = c.ending.Front() {
		claim := front.Value.(*Claim)
		if claim.until.After(now) {
			return
		}
		c.ending.Remove(front)
		c.drop(claim)
	}
}

func (c *Claims) drop(claim *Claim) {
	for _, name := range claim.names {
		delete(c.held, name)
	}
}

// Release ends the claim at once: nobody was let in. It does nothing to a nil
// claim, or one that was kept.
func (c *Claim) Release() {
	if c == nil {
		return
	}
	c.claims.mu.Lock()
	defer c.claims.mu.Unlock()
	if !c.over {
		c.over = true
		c.claims.drop(c)
	}
}

// Keep lets the claim run out by itself: the agent was accepted, and SPIRE is
// about to store it. It does nothing to a nil claim: a policy may accept an agent
// though another attestation holds it.
func (c *Claim) Keep() {
	if c == nil {
		return
	}
	c.claims.mu.Lock()
	defer c.claims.mu.Unlock()
	if !c.over {
		c.over = true
		c.until = c.claims.now().Add(c.claims.ttl)
		c.claims.ending.PushBack(c)
	}
}
