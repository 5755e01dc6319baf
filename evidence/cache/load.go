package cache

import (
	"context"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// A question says how old its answer may be.
type question struct {
	asked   time.Time
	since   time.Time // when the load of the answer must have begun
	failing time.Time // the same, while the source fails
}

// get answers a question, and reports how. Ages count from when it was asked: an
// answer that was young enough then stays so, however long its load takes.
func (c *Cache[K, V]) get(ctx context.Context, key K, q question) (V, error) {
	c.mu.Lock()
	e, ok := c.entries.Get(key)
	if !ok {
		e = &entry[V]{ended: make(chan struct{})}
		c.entries.Add(key, e)
	}
	value, result, err := c.answer(ctx, key, e, q)
	age := q.asked.Sub(e.loadedAt)
	c.mu.Unlock()
	if err != nil {
		result, age = evidence.LookupFailed, 0
	}
	c.report(ctx, result, max(age, 0))
	return value, err
}

// answer waits until there is an answer. The caller holds c.mu.
func (c *Cache[K, V]) answer(ctx context.Context, key K, e *entry[V], q question) (V, evidence.LookupResult, error) {
	var none V
	result := evidence.LookupHit
	for {
		switch loaded := !e.loadedAt.IsZero(); {
		case loaded && !e.loadedAt.Before(q.since):
			c.renew(ctx, key, e, q.asked)
			return e.value, result, nil
		case loaded && !e.loadedAt.Before(q.failing) && c.fails(e, q.asked):
			c.renew(ctx, key, e, q.asked)
			return e.value, evidence.LookupStale, nil
		case c.failed(e, q.asked):
			return none, result, e.err
		}
		var err error
		wait := time.Until(e.begunAt.Add(c.pause(e)))
		switch {
		case e.begunAt.IsZero(), wait <= 0:
			c.start(ctx, key, e)
			result = evidence.LookupMiss
		case e.running():
			if result == evidence.LookupHit {
				result = evidence.LookupShared
			}
			err = c.wait(ctx, e, wait)
		default:
			err = c.hold(ctx, e, wait)
		}
		if err != nil {
			return none, result, err
		}
	}
}

// fails says whether the source is failing: by its latest answer, which was heard as
// lately as it is with somebody asking, even if it hangs.
func (c *Cache[K, V]) fails(e *entry[V], asked time.Time) bool {
	return e.err != nil && asked.Sub(e.endedAt) < c.options.LoadTimeout+c.options.Recheck
}

// failed says whether the latest load is one whose failure is that of who asked then:
// it ended later, and did not begin too long before.
func (c *Cache[K, V]) failed(e *entry[V], asked time.Time) bool {
	return e.err != nil && !e.endedAt.Before(asked) && !e.triedAt.Before(asked.Add(-c.options.Retry))
}

// pause is how long after the beginning of its latest load a key may be loaded again.
func (c *Cache[K, V]) pause(e *entry[V]) time.Duration {
	switch {
	case e.running() && c.options.Patience > 0:
		return c.options.Patience
	case e.running():
		return c.options.LoadTimeout + c.options.Recheck // it has ended by then
	case e.err != nil:
		return c.options.Retry
	}
	return c.options.Recheck
}

// renew loads an answer anew when it is in the last quarter of its lifetime. The
// caller holds c.mu.
func (c *Cache[K, V]) renew(ctx context.Context, key K, e *entry[V], now time.Time) {
	if !e.running() && now.Sub(e.loadedAt) > c.options.Lifetime*3/4 && now.Sub(e.begunAt) >= c.options.Recheck {
		c.start(ctx, key, e)
	}
}

// wait gives up the lock until a load has ended, another may begin, or ctx ends.
func (c *Cache[K, V]) wait(ctx context.Context, e *entry[V], patience time.Duration) error {
	ended := e.ended
	c.mu.Unlock()
	defer c.mu.Lock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hold is wait while none runs: only so many may, as what they wait for costs a load.
func (c *Cache[K, V]) hold(ctx context.Context, e *entry[V], wait time.Duration) error {
	if e.waiting >= c.options.Waiting {
		return &evidence.BusyError{What: c.options.Name, After: c.pause(e)}
	}
	e.waiting++
	defer func() { e.waiting-- }()
	return c.wait(ctx, e, wait)
}

// start loads key in the background. The caller holds c.mu.
func (c *Cache[K, V]) start(ctx context.Context, key K, e *entry[V]) {
	began := time.Now()
	e.begunAt = began
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.LoadTimeout)
	stop := context.AfterFunc(c.open, cancel)
	go func() {
		defer cancel()
		defer stop()
		value, err := c.loadSafely(ctx, key)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil && began.After(e.loadedAt) {
			e.value, e.loadedAt = value, began
		}
		// One that was overtaken says nothing about how the source is by now.
		if began.After(e.triedAt) {
			e.triedAt, e.endedAt, e.err = began, time.Now(), err
		}
		close(e.ended)
		e.ended = make(chan struct{})
	}()
}

// loadSafely makes an error of a panic: the load runs in a goroutine of its own,
// where nobody else could.
func (c *Cache[K, V]) loadSafely(ctx context.Context, key K) (value V, err error) {
	defer recovered.To(&err)
	return c.load(ctx, key)
}
