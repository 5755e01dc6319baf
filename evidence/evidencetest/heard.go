// Package evidencetest has what tests of evidence share.
package evidencetest

import (
	"sync"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// Heard is an observer that notes what it hears of. Its fields must not be read
// while it may still hear of more.
type Heard struct {
	mu      sync.Mutex
	Calls   []evidence.Call
	Lookups []evidence.Lookup
}

var _ evidence.Observer = (*Heard)(nil)

// Called notes a call.
func (h *Heard) Called(c evidence.Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Calls = append(h.Calls, c)
}

// Looked notes a lookup.
func (h *Heard) Looked(l evidence.Lookup) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Lookups = append(h.Lookups, l)
}
