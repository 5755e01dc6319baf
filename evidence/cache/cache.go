// Package cache keeps the answers of slow and metered sources: cloud APIs and
// key servers. It is the only cache there is for them.
//
// An answer is shared by all who ask for its key while it is being fetched, is
// used for a stated lifetime, is renewed in the background while it is in use,
// and outlives a source that is down for a stated time. A failure is that of those who
// waited for it: who comes later shares another load, a moment later. Get is the normal
// question. Ask is the one where an old answer could do harm: to deny a node that
// was there when it came, only newer than the answer.
package cache

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// Options say how long answers live. All but Patience are required. Ages are of
// this process: no clock is passed in, as one that was made up to judge old evidence
// should make no answer older.
type Options struct {
	// Name is what is kept, as observers are told: "instance_profile".
	Name string

	// Lifetime is how old an answer of Get may be. An answer that is used in
	// the last quarter of its lifetime is renewed in the background.
	Lifetime time.Duration

	// Recheck is the shortest time between two loads of one key: nobody can make
	// the cache ask more often.
	Recheck time.Duration

	// Retry is the same after a load that failed. Who comes within it doesn't hear of
	// that failure, which may be over: he waits and shares the next load. At most Recheck.
	Retry time.Duration

	// Patience is how long a load may take before another is begun beside it for who
	// waits: the source may have come back while that one hangs. Zero means that none
	// is begun: for loads that give up calls that hang, and try again, by themselves.
	Patience time.Duration

	// Stale is how old an answer of Get may be when the source is failing. At
	// least Lifetime.
	Stale time.Duration

	// LoadTimeout bounds one load, which goes on when those who wait for it
	// leave: others may be waiting too.
	LoadTimeout time.Duration

	// Size is how many keys are kept. The least recently used goes first.
	Size int

	// Waiting is how many may wait, for one key, until it may be loaded again. Who
	// comes then gets a [evidence.BusyError].
	Waiting int
}

// Load fetches the answer for a key.
type Load[K comparable, V any] func(context.Context, K) (V, error)

// Cache is safe for concurrent use. No lock is held while a load runs.
type Cache[K comparable, V any] struct {
	options Options
	load    Load[K, V]

	open  context.Context // ends with Close
	close context.CancelFunc

	mu      sync.Mutex
	entries *simplelru.LRU[K, *entry[V]]
}

// entry is what is known of one key. Its fields are guarded by Cache.mu.
type entry[V any] struct {
	value    V
	loadedAt time.Time // when the load of value began; zero while there is none

	begunAt time.Time     // when the latest load began
	ended   chan struct{} // closed, and made anew, when a load ends

	// The latest load that has ended: when it began and when it ended, and its
	// failure, if it failed.
	triedAt, endedAt time.Time
	err              error

	waiting int // who wait until they may begin one
}

// running says whether the latest load has not ended.
func (e *entry[V]) running() bool { return e.triedAt.Before(e.begunAt) }

// New returns a cache in front of load.
func New[K comparable, V any](options Options, load Load[K, V]) (*Cache[K, V], error) {
	switch {
	case options.Name == "", options.Waiting <= 0:
		return nil, fmt.Errorf("cache: Name and Waiting must be given: %+v", options)
	case options.Lifetime <= 0, options.Recheck <= 0, options.Retry <= 0, options.LoadTimeout <= 0:
		return nil, fmt.Errorf("cache: Lifetime, Recheck, Retry and LoadTimeout must be positive: %+v", options)
	case options.Patience < 0:
		return nil, fmt.Errorf("cache: Patience must not be negative: %+v", options)
	case options.Retry > options.Recheck, options.Recheck > options.Lifetime, options.Stale < options.Lifetime:
		return nil, fmt.Errorf("cache: Retry <= Recheck <= Lifetime <= Stale does not hold: %+v", options)
	}
	entries, err := simplelru.NewLRU[K, *entry[V]](options.Size, nil)
	if err != nil {
		return nil, fmt.Errorf("cache: Size %d: %w", options.Size, err)
	}
	c := &Cache[K, V]{options: options, load: load, entries: entries}
	c.open, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the loads that run, and those to come at once. Answers that are kept
// are still given.
func (c *Cache[K, V]) Close() { c.close() }

// Get returns an answer that is at most Lifetime old, or at most Stale while
// the source fails. It waits no longer than ctx.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	asked := time.Now()
	return c.get(ctx, key, question{
		asked: asked, since: asked.Add(-c.options.Lifetime), failing: asked.Add(-c.options.Stale),
	})
}

// Peek returns an answer that is at most Lifetime old if it is there and good is
// content with it. It waits for none. Like one of Get, it is renewed when it is about
// to be too old.
func (c *Cache[K, V]) Peek(ctx context.Context, key K, good func(V) bool) (V, bool) {
	var none V
	asked := time.Now()
	c.mu.Lock()
	e, ok := c.entries.Get(key)
	if !ok || e.loadedAt.IsZero() || asked.Sub(e.loadedAt) > c.options.Lifetime {
		c.mu.Unlock()
		return none, false
	}
	c.renew(ctx, key, e, asked)
	value, age := e.value, asked.Sub(e.loadedAt)
	c.mu.Unlock()
	if !good(value) {
		return none, false
	}
	c.report(ctx, evidence.LookupHit, age)
	return value, true
}

// Since returns an answer whose load began at that time or later, or an error: it
// never falls back on an older one. While Recheck doesn't allow to load one yet, it
// waits, for as long as ctx lets it: all who do so share what is loaded then, so
// that none can keep others from it.
func (c *Cache[K, V]) Since(ctx context.Context, key K, since time.Time) (V, error) {
	return c.get(ctx, key, question{asked: time.Now(), since: since, failing: since})
}

// Ask returns an answer of Get if good is content with it. If not, it returns one
// that is no older than the question, whatever good would say of it.
func (c *Cache[K, V]) Ask(ctx context.Context, key K, good func(V) bool) (V, error) {
	came := time.Now()
	answer, err := c.Get(ctx, key)
	if err == nil && !good(answer) {
		answer, err = c.Since(ctx, key, came)
	}
	return answer, err
}

// report tells the observer how a question was answered.
func (c *Cache[K, V]) report(ctx context.Context, result evidence.LookupResult, age time.Duration) {
	evidence.ObserverOf(ctx).Looked(evidence.Lookup{Cache: c.options.Name, Result: result, Age: age})
}
