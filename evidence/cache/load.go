package cache

import (
	"context"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
	"github.com/spire-gatehouse/gatehouse/internal/sleep"
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
		e = &entry[V]{}
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
		loaded := !e.loadedAt.IsZero()
		justFailed := e.err != nil && !e.triedAt.Before(q.asked.Add(-c.options.Retry))
		switch {
		case loaded && !e.loadedAt.Before(q.since):
			c.renew(ctx, key, e, q.asked)
			return e.value, result, nil
		case justFailed && loaded && !e.loadedAt.Before(q.failing):
			return e.value, evidence.LookupStale, nil
		case justFailed:
			return none, result, e.err // it is not asked again yet
		}
		var err error
		if wait := c.pause(e) - time.Since(e.triedAt); e.flight != nil {
			result = evidence.LookupShared
			err = c.wait(ctx, e.flight)
		} else if !e.triedAt.IsZero() && wait > 0 {
			err = c.hold(ctx, e, wait)
		} else {
			c.start(ctx, key, e)
			err = c.wait(ctx, e.flight)
			result = evidence.LookupMiss
		}
		if err != nil {
			return none, result, err
		}
	}
}

// pause is how long after its latest load a key may be loaded again.
func (c *Cache[K, V]) pause(e *entry[V]) time.Duration {
	if e.err != nil {
		return c.options.Retry
	}
	return c.options.Recheck
}

// renew loads an answer anew when it is in the last quarter of its lifetime. The
// caller holds c.mu.
func (c *Cache[K, V]) renew(ctx context.Context, key K, e *entry[V], now time.Time) {
	if e.flight == nil && now.Sub(e.loadedAt) > c.options.Lifetime*3/4 && now.Sub(e.triedAt) >= c.options.Recheck {
		c.start(ctx, key, e)
	}
}

// wait gives up the lock until a load is done or ctx ends.
func (c *Cache[K, V]) wait(ctx context.Context, flight <-chan struct{}) error {
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hold gives up the lock until a load may begin or ctx ends.
func (c *Cache[K, V]) hold(ctx context.Context, e *entry[V], wait time.Duration) error {
	if e.waiting >= c.options.Waiting {
		return &evidence.BusyError{What: c.options.Name, After: c.options.Recheck}
	}
	e.waiting++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		e.waiting--
	}()
	return sleep.For(ctx, wait)
}

// start loads key in the background. The caller holds c.mu.
func (c *Cache[K, V]) start(ctx context.Context, key K, e *entry[V]) {
	flight := make(chan struct{})
	e.flight = flight
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.LoadTimeout)
	stop := context.AfterFunc(c.open, cancel)
	go func() {
		defer cancel()
		defer stop()
		value, err := c.loadSafely(ctx, key)
		c.mu.Lock()
		defer c.mu.Unlock()
		e.triedAt, e.err, e.flight = began, err, nil
		if err == nil {
			e.value, e.loadedAt = value, began
		}
		close(flight)
	}()
}

// loadSafely makes an error of a panic: the load runs in a goroutine of its own,
// where nobody else could.
func (c *Cache[K, V]) loadSafely(ctx context.Context, key K) (value V, err error) {
	defer recovered.To(&err)
	return c.load(ctx, key)
}
