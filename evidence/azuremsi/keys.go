package azuremsi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/cache"
)

// keySet is what an authority published for tokens of one version.
type keySet struct {
	source   string // where the keys were read
	issuer   string // template of the issuers
	keys     map[string][]publishedKey
	unusable map[string]error // why, by the ID of a key
	asked    time.Time        // when it was asked for, by the clock of keySets
}

// keySets keeps the sets of an authority.
type keySets struct {
	cloud   Cloud
	sets    *cache.Cache[string, keySet]
	waiters chan struct{} // one for each token that waits for a key
}

func newKeySets(cloud Cloud, client *http.Client) (*keySets, error) {
	source := newAuthority(cloud, client)
	// No clock is passed on: ages are of this process, and a clock that was made
	// up to judge an old token should not make a key set older.
	sets, err := cache.New(cache.Options{
		Lifetime:    keySetLifetime,
		Recheck:     keySetRecheck,
		Stale:       keySetStale,
		LoadTimeout: keySetTimeout,
		Size:        2, // versions
	}, func(ctx context.Context, version string) (keySet, error) {
		asked := time.Now()
		set, err := source.keySet(ctx, version)
		set.asked = asked
		return set, err
	})
	return &keySets{cloud: cloud, sets: sets, waiters: make(chan struct{}, maxKeyWaiters)}, err
}

// find returns the set of a version in which a key ID is, if there is one. The
// authority is asked again for an ID that is not known: keys are rotated without
// notice. However many ask, it is asked once in keySetRecheck.
func (s *keySets) find(ctx context.Context, version, id string) (keySet, error) {
	came := time.Now()
	set, err := s.sets.Get(ctx, version)
	if err != nil {
		return keySet{}, unavailable(err)
	}
	if set.has(id) {
		return set, nil
	}
	if set, err = s.sets.Recheck(ctx, version); err != nil {
		return keySet{}, unavailable(err)
	}
	if !set.has(id) && set.asked.Before(came) {
		// The authority can't be asked again just yet. The key may be younger
		// than the answer that there is: wait, or an honest node is turned away.
		if set, err = s.later(ctx, version, set.asked); err != nil {
			return keySet{}, unavailable(err)
		}
	}
	if !set.has(id) {
		return keySet{}, fmt.Errorf("key %q is none of the %d keys of %s", id, set.count(), set.source)
	}
	return set, nil
}

// later waits until a set may be asked for again, and returns that.
func (s *keySets) later(ctx context.Context, version string, asked time.Time) (keySet, error) {
	select {
	case s.waiters <- struct{}{}:
		defer func() { <-s.waiters }()
	default:
		return keySet{}, fmt.Errorf("%d tokens wait for an unknown key already", maxKeyWaiters)
	}
	timer := time.NewTimer(time.Until(asked.Add(keySetRecheck)) + time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.sets.Recheck(ctx, version)
	case <-ctx.Done():
		return keySet{}, context.Cause(ctx)
	}
}

func unavailable(err error) error { return fmt.Errorf("keys: %w: %w", evidence.ErrUnavailable, err) }

func (s keySet) has(id string) bool { return len(s.keys[id]) > 0 || s.unusable[id] != nil }

// count is how many keys can be used.
func (s keySet) count() (n int) {
	for _, keys := range s.keys {
		n += len(keys)
	}
	return n
}
