package awsiid

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// turns are taken by those who call on behalf of one scope: so many at once, in the
// order they came.
type turns struct {
	atOnce int64

	mu     sync.Mutex
	scopes map[Scope]*queue
}

// queue is those of one scope; users are who have a turn or wait for one.
type queue struct {
	turns *semaphore.Weighted
	users int
}

func newTurns(atOnce int64) *turns { return &turns{atOnce: atOnce, scopes: map[Scope]*queue{}} }

// take waits for a turn, which give ends.
func (t *turns) take(ctx context.Context, scope Scope) (give func(), err error) {
	t.mu.Lock()
	q := t.scopes[scope]
	if q == nil {
		q = &queue{turns: semaphore.NewWeighted(t.atOnce)}
		t.scopes[scope] = q
	}
	q.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if q.users--; q.users == 0 {
			delete(t.scopes, scope)
		}
	}
	if err := q.turns.Acquire(ctx, 1); err != nil {
		leave()
		return nil, context.Cause(ctx)
	}
	return func() { q.turns.Release(1); leave() }, nil
}
