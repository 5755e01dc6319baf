// Package cache keeps the answers of slow and metered sources: cloud APIs and
// key servers. It is the only cache there is for them.
//
// An answer is shared by all who ask for its key while it is being fetched, is
// used for a stated lifetime, is renewed in the background while it is in use,
// and outlives a source that is down for a stated time. Get is the normal
// question; Recheck is the one to ask before a negative answer does harm.
package cache

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Options say how long answers live. All fields but Now are required.
type Options struct {
	// Lifetime is how old an answer of Get may be. An answer that is used in
	// the last quarter of its lifetime is renewed in the background.
	Lifetime time.Duration

	// Recheck is how old an answer of Recheck may be, and so the shortest time
	// between two loads of one key: nobody can make the cache ask more often.
	Recheck time.Duration

	// Stale is how old an answer of Get may be when the source is failing. At
	// least Lifetime.
	Stale time.Duration

	// LoadTimeout bounds one load, which goes on when those who wait for it
	// leave: others may be waiting too.
	LoadTimeout time.Duration

	// Size is how many keys are kept. The least recently used goes first.
	Size int

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Load fetches the answer for a key.
type Load[K comparable, V any] func(context.Context, K) (V, error)

// Cache is safe for concurrent use. No lock is held while a load runs.
type Cache[K comparable, V any] struct {
	options Options
	load    Load[K, V]

	mu      sync.Mutex
	entries *simplelru.LRU[K, *entry[V]]
}

// entry is what is known of one key. Its fields are guarded by Cache.mu.
type entry[V any] struct {
	value    V
	loadedAt time.Time // when the load of value began; zero while there is none

	triedAt time.Time // when the latest finished load began
	err     error     // its failure, if it failed

	flight chan struct{} // closed when the running load is done; nil when none runs
}

// New returns a cache in front of load.
func New[K comparable, V any](options Options, load Load[K, V]) (*Cache[K, V], error) {
	switch {
	case options.Lifetime <= 0, options.Recheck <= 0, options.LoadTimeout <= 0:
		return nil, fmt.Errorf("cache: Lifetime, Recheck and LoadTimeout must be positive: %+v", options)
	case options.Recheck > options.Lifetime, options.Stale < options.Lifetime:
		return nil, fmt.Errorf("cache: Recheck <= Lifetime <= Stale does not hold: %+v", options)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	entries, err := simplelru.NewLRU[K, *entry[V]](options.Size, nil)
	if err != nil {
		return nil, fmt.Errorf("cache: Size %d: %w", options.Size, err)
	}
	return &Cache[K, V]{options: options, load: load, entries: entries}, nil
}

// Get returns an answer that is at most Lifetime old, or at most Stale while
// the source fails. It waits no longer than ctx.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	return c.get(ctx, key, c.options.Lifetime, c.options.Stale)
}

// Recheck returns an answer that is at most Recheck old, or an error: it never
// falls back on an older one.
func (c *Cache[K, V]) Recheck(ctx context.Context, key K) (V, error) {
	return c.get(ctx, key, c.options.Recheck, c.options.Recheck)
}

func (c *Cache[K, V]) get(ctx context.Context, key K, maxAge, maxStale time.Duration) (V, error) {
	var none V
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Get(key)
	if !ok {
		e = &entry[V]{}
		c.entries.Add(key, e)
	}
	// Ages count from now on: an answer that was young enough when it was asked
	// for stays so, however long its load takes.
	asked := c.options.Now()
	for {
		age := asked.Sub(e.loadedAt)
		loaded := !e.loadedAt.IsZero()
		justTried := asked.Sub(e.triedAt) <= c.options.Recheck
		switch {
		case loaded && age <= maxAge:
			if e.flight == nil && age > c.options.Lifetime*3/4 && !justTried {
				c.start(ctx, key, e)
			}
			return e.value, nil
		case e.err != nil && justTried && loaded && age <= maxStale:
			return e.value, nil
		case e.err != nil && justTried:
			return none, e.err // the source failed just now, and is not asked again yet
		case e.flight == nil:
			c.start(ctx, key, e)
		}
		if err := c.wait(ctx, e.flight); err != nil {
			return none, err
		}
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

// start loads key in the background. The caller holds c.mu.
func (c *Cache[K, V]) start(ctx context.Context, key K, e *entry[V]) {
	flight := make(chan struct{})
	e.flight = flight
	began := c.options.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.LoadTimeout)
	go func() {
		defer cancel()
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
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic while loading %v: %v\n%s", key, r, debug.Stack())
		}
	}()
	return c.load(ctx, key)
}
