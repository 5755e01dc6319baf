package tofu

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"
)

// Memory holds claims for one process, and remembers nothing once they have run
// out.
type Memory struct {
	now func() time.Time

	mu     sync.Mutex
	held   map[string]*memoryClaim // by agent ID, and by machine
	ending *list.List              // of *memoryClaim that were kept, the one kept first in front
}

// NewMemory returns a Memory without claims. now is the clock; nil means time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, held: map[string]*memoryClaim{}, ending: list.New()}
}

// Claims returns the claims of this memory that are kept for ttl after an accept:
// time enough for SPIRE to store the agent. What was claimed through one holds
// against all others, so that a new ttl opens no window.
func (m *Memory) Claims(ttl time.Duration) Claims { return memoryClaims{m, ttl} }

type memoryClaims struct {
	memory *Memory
	ttl    time.Duration
}

// Take implements Claims. It has no errors.
func (c memoryClaims) Take(_ context.Context, node Node) (Claim, error) {
	return c.memory.take(node, c.ttl), nil
}

// Look implements Claims. It has no errors.
func (c memoryClaims) Look(_ context.Context, node Node) (Claim, error) {
	return &memoryClaim{memory: c.memory, node: node, over: true}, nil
}

type memoryClaim struct {
	memory *Memory
	node   Node
	ttl    time.Duration
	held   bool
	over   bool
	until  time.Time // zero while the attestation runs
}

func (m *Memory) take(node Node, ttl time.Duration) *memoryClaim {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.forget(now)
	claim := &memoryClaim{memory: m, node: node, ttl: ttl}
	if m.holds(node.AgentID, now) || m.holds(node.Machine, now) {
		claim.over = true
		return claim
	}
	claim.held = true
	m.held[node.AgentID], m.held[node.Machine] = claim, claim
	return claim
}

func (m *Memory) holds(name string, now time.Time) bool {
	claim := m.held[name]
	return claim != nil && (claim.until.IsZero() || claim.until.After(now))
}

// forget drops claims whose time is over. Memory is bounded by the attestations
// that run, and those accepted within the longest ttl: one that was kept for
// longer may stand in front of others, whose time is over all the same.
func (m *Memory) forget(now time.Time) {
	for front := m.ending.Front(); front != nil; front = m.ending.Front() {
		claim := front.Value.(*memoryClaim)
		if claim.until.After(now) {
			return
		}
		m.ending.Remove(front)
		m.drop(claim)
	}
}

// drop frees what is still the claim's.
func (m *Memory) drop(claim *memoryClaim) {
	for _, name := range []string{claim.node.AgentID, claim.node.Machine} {
		if m.held[name] == claim {
			delete(m.held, name)
		}
	}
}

func (c *memoryClaim) Held() bool    { return c.held }
func (c *memoryClaim) First() *First { return nil }

func (c *memoryClaim) Keep(context.Context, netip.Addr) error {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	if !c.over {
		c.over = true
		c.until = c.memory.now().Add(c.ttl)
		c.memory.ending.PushBack(c)
	}
	return nil
}

func (c *memoryClaim) Release(context.Context) error {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	if !c.over {
		c.over = true
		c.memory.drop(c)
	}
	return nil
}
