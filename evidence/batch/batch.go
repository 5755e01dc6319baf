package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// Options say how much one call may carry, and how many calls there may be. All
// are required.
type Options struct {
	// Name is what is asked for, as observers are told: "instance".
	Name string

	// Size is how many IDs one call may have. More make several calls.
	Size int

	// Concurrency is how many calls of one group may be under way.
	Concurrency int

	// Pace is the least time between the beginnings of two calls of a group while
	// they are shared and not full.
	Pace time.Duration

	// Patience is how long a call may take before another, which is not full, is
	// begun beside it.
	Patience time.Duration

	// Waiting is how many IDs of one group may wait to be asked for. Who comes
	// then gets an error: better to come again than to pile up.
	Waiting int

	// Timeout bounds a call, with all that it takes to find a bad ID in it.
	Timeout time.Duration
}

// ErrNone is the error for an ID that an answer doesn't have.
var ErrNone = errors.New("the answer doesn't have it")

// A Result is the answer for one ID.
type Result[V any] struct {
	Value V
	Err   error
}

// Load asks for IDs of one group. What it leaves out of its answer is ErrNone. It
// must answer for no ID that it wasn't asked for: then nothing of the answer is
// believed. An error is that of all IDs, unless it is a *BadIDs.
type Load[G, K comparable, V any] func(ctx context.Context, group G, ids []K) (map[K]Result[V], error)

// BadIDs is an error of a Load that failed because of some of its IDs. The others
// are asked for again without them.
type BadIDs[K comparable] struct {
	// IDs are those that the source named; none if it didn't say which.
	IDs []K

	// Err is what became of these.
	Err error
}

func (b *BadIDs[K]) Error() string { return b.Err.Error() }
func (b *BadIDs[K]) Unwrap() error { return b.Err }

// Batcher is safe for concurrent use. A group is what a call can be about, and what
// limits are for: an account and region, say.
type Batcher[G, K comparable, V any] struct {
	options Options
	load    Load[G, K, V]

	mu     sync.Mutex
	groups map[G]*group[K, V]
}

// New returns a Batcher in front of load.
func New[G, K comparable, V any](options Options, load Load[G, K, V]) (*Batcher[G, K, V], error) {
	if options.Name == "" || min(options.Size, options.Concurrency, options.Waiting) < 1 ||
		min(options.Pace, options.Patience, options.Timeout) <= 0 {
		return nil, fmt.Errorf("batch: Options must all be positive: %+v", options)
	}
	return &Batcher[G, K, V]{options: options, load: load, groups: map[G]*group[K, V]{}}, nil
}

// Get returns the answer for one ID. It waits no longer than ctx; a call that
// nobody waits for any more is cancelled.
func (b *Batcher[G, K, V]) Get(ctx context.Context, key G, id K) (V, error) {
	value, result, err := b.get(ctx, key, id)
	if err != nil && !errors.Is(err, ErrNone) {
		result = evidence.LookupFailed
	}
	evidence.ObserverOf(ctx).Looked(evidence.Lookup{Cache: b.options.Name, Result: result})
	return value, err
}

func (b *Batcher[G, K, V]) get(ctx context.Context, key G, id K) (V, evidence.LookupResult, error) {
	var none V
	if ctx.Err() != nil {
		return none, evidence.LookupFailed, context.Cause(ctx)
	}
	q, first, err := b.join(ctx, key, id)
	if err != nil {
		return none, evidence.LookupFailed, err
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		b.leave(key, q)
		return none, evidence.LookupFailed, context.Cause(ctx)
	}
	if first && q.leads {
		return q.result.Value, evidence.LookupMiss, q.result.Err
	}
	return q.result.Value, evidence.LookupShared, q.result.Err
}
