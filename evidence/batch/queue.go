package batch

import (
	"context"
	"slices"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/stack"
)

// A group's questions, and when its calls begin. Its fields are guarded by
// Batcher.mu.
type group[K comparable, V any] struct {
	queue []*question[K, V] // in the order they came, each ID once
	calls int               // under way
	timer *time.Timer       // for the next call; nil when none is due later

	began time.Time // when the latest call did
	size  int       // how many IDs that had
}

// A question is asked by all who want one ID and haven't been given a call yet.
type question[K comparable, V any] struct {
	id      K
	ctx     context.Context // of who asked first
	waiters int
	call    *call // nil while it waits in the queue

	done   chan struct{} // closed when there is a result
	result Result[V]
	leads  bool // whether the call was begun for it, and has the values of its ctx
}

// call is one that is under way.
type call struct {
	wanted int // questions that somebody still waits for
	cancel context.CancelFunc
}

// join adds who asks to the queue, and begins a call if one is due. It says whether
// nobody else asked for the ID before.
func (b *Batcher[G, K, V]) join(ctx context.Context, key G, id K) (q *question[K, V], first bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[key]
	if g == nil {
		g = &group[K, V]{}
		b.groups[key] = g
	}
	if at := slices.IndexFunc(g.queue, func(q *question[K, V]) bool { return q.id == id }); at >= 0 {
		g.queue[at].waiters++
		return g.queue[at], false, nil
	}
	if len(g.queue) >= b.options.Waiting {
		return nil, false, &evidence.BusyError{What: b.options.Name, After: b.options.Patience}
	}
	q = &question[K, V]{id: id, ctx: ctx, waiters: 1, done: make(chan struct{})}
	g.queue = append(g.queue, q)
	b.schedule(key, g)
	return q, true, nil
}

// leave is for one who can't wait any longer. What nobody waits for is not asked
// for, and a call of nothing else is cancelled.
func (b *Batcher[G, K, V]) leave(key G, q *question[K, V]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q.waiters--
	if q.waiters > 0 {
		return
	}
	if q.call != nil {
		if q.call.wanted--; q.call.wanted == 0 {
			q.call.cancel()
		}
		return
	}
	if g := b.groups[key]; g != nil {
		g.queue = slices.DeleteFunc(g.queue, func(other *question[K, V]) bool { return other == q })
		b.schedule(key, g)
	}
}

// schedule begins the calls that are due, and sees to it that it is called again
// when the next one is. A group of which nothing is left to know is forgotten. The
// caller holds b.mu.
func (b *Batcher[G, K, V]) schedule(key G, g *group[K, V]) {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	for {
		wait, ok := b.due(g, time.Now())
		if ok && wait <= 0 {
			b.begin(key, g)
			continue
		}
		if !ok {
			if g.calls > 0 {
				return // it is looked at again when one of them ends
			}
			// Nobody waits. Until the pace is over, who comes is no loner.
			if wait = time.Until(g.began.Add(b.options.Pace)); g.size < 2 || wait <= 0 {
				delete(b.groups, key)
				return
			}
		}
		g.timer = time.AfterFunc(wait, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.groups[key] == g {
				b.schedule(key, g)
			}
		})
		return
	}
}

// due says how long it is until the next call should begin; false if that is not
// a matter of time.
func (b *Batcher[G, K, V]) due(g *group[K, V], now time.Time) (time.Duration, bool) {
	switch {
	case len(g.queue) == 0, g.calls >= b.options.Concurrency:
		return 0, false
	case len(g.queue) >= b.options.Size:
		return 0, true
	case g.calls > 0:
		return g.began.Add(b.options.Patience).Sub(now), true
	case g.size < 2: // the latest call was not shared, or there was none
		return 0, true
	}
	return g.began.Add(b.options.Pace).Sub(now), true
}

// begin takes questions from the queue and asks them. The call has the values of the
// context of who asked first, and so is reported to that one's observer alone: it is
// one call. The caller holds b.mu.
func (b *Batcher[G, K, V]) begin(key G, g *group[K, V]) {
	n := min(len(g.queue), b.options.Size)
	asked := slices.Clone(g.queue[:n])
	g.queue = slices.Delete(g.queue, 0, n)
	g.calls++
	g.began, g.size = time.Now(), n

	ctx, cancel := context.WithTimeout(context.WithoutCancel(asked[0].ctx), b.options.Timeout)
	under := &call{wanted: n, cancel: cancel}
	for i, q := range asked {
		q.call, q.leads = under, i == 0
	}
	go func() {
		defer cancel()
		stack.Grow()
		results := b.ask(ctx, key, asked)
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, q := range asked {
			var ok bool
			if q.result, ok = results[q.id]; !ok {
				q.result.Err = ErrNone
			}
			close(q.done)
		}
		g.calls--
		b.schedule(key, g)
	}()
}
