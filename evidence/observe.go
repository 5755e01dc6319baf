package evidence

import (
	"context"
	"time"
)

// An Observer hears what verifying and gathering cost. It is called by the
// goroutines that do the work, some of which outlive the attestation that started
// them: it must be safe for concurrent use, and quick.
type Observer interface {
	// Called reports one call to a cloud, when it is over.
	Called(Call)

	// Looked reports one question to a cache, when it is answered.
	Looked(Lookup)
}

// A Call is one call to a cloud's API, with all its tries.
type Call struct {
	API       string // as the vendor names it: "ec2:DescribeInstances"
	Elapsed   time.Duration
	Throttled int   // tries that the cloud refused for their number
	Err       error // how it ended; nil if well
}

// A Lookup is one question to a cache.
type Lookup struct {
	Cache  string // the name of what is kept: "instance_profile"
	Result LookupResult
	Age    time.Duration // of the answer; zero unless there is one
}

// LookupResult says where a cache's answer came from.
type LookupResult string

// The results of a lookup.
const (
	LookupHit    LookupResult = "hit"    // kept, and young enough
	LookupShared LookupResult = "shared" // of a load that another had started
	LookupMiss   LookupResult = "miss"   // of a load of its own
	LookupStale  LookupResult = "stale"  // kept, too old, and used while the source fails
	LookupFailed LookupResult = "failed" // there is none
)

type observerKey struct{}

// WithObserver has obs hear of what is done for ctx.
func WithObserver(ctx context.Context, obs Observer) context.Context {
	return context.WithValue(ctx, observerKey{}, obs)
}

// ObserverOf returns the observer of ctx: one that does nothing if there is none.
func ObserverOf(ctx context.Context) Observer {
	if obs, ok := ctx.Value(observerKey{}).(Observer); ok {
		return obs
	}
	return nobody{}
}

type nobody struct{}

func (nobody) Called(Call)   {}
func (nobody) Looked(Lookup) {}
