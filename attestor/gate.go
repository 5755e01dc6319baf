package attestor

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// A gate bounds how many attestations run at a time, and how many wait for their
// turn, so that a flood costs neither memory nor the time of those that are in.
// The turns come in the order of arrival.
type gate struct {
	limits  limits
	turns   *semaphore.Weighted
	waiting atomic.Int64
}

func newGate(l limits) *gate {
	return &gate{limits: l, turns: semaphore.NewWeighted(int64(l.Concurrent))}
}

// enter waits for a turn, which the caller has to give back by leave.
func (g *gate) enter(ctx context.Context) error {
	if g.turns.TryAcquire(1) {
		return nil
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > int64(g.limits.Waiting) {
		return fmt.Errorf("%d attestations run and %d wait already, which are limits.max_concurrent and limits.max_waiting", g.limits.Concurrent, g.limits.Waiting)
	}
	ctx, cancel := context.WithTimeout(ctx, g.limits.Wait)
	defer cancel()
	if err := g.turns.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("no turn within %s, while %d attestations run, which are limits.max_wait and limits.max_concurrent: %w", g.limits.Wait, g.limits.Concurrent, err)
	}
	return nil
}

func (g *gate) leave() { g.turns.Release(1) }
