package azuremsi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/cache"
)

// keySet is what an authority published for tokens of one version.
type keySet struct {
	source   string // where the keys were read
	issuer   string // template of the issuers
	keys     map[string][]publishedKey
	unusable map[string]error // why, by the ID of a key
}

// keySets keeps the sets of an authority.
type keySets struct {
	cloud Cloud
	sets  *cache.Cache[string, keySet]
}

func newKeySets(cloud Cloud, client *http.Client, lifetimes Lifetimes) (*keySets, error) {
	source := newAuthority(cloud, client)
	sets, err := cache.New(keySetOptions(lifetimes), source.keySet)
	return &keySets{cloud: cloud, sets: sets}, err
}

func keySetOptions(lifetimes Lifetimes) cache.Options {
	return cache.Options{
		Name:     "keys",
		Lifetime: lifetimes.Keys,
		Recheck:  lifetimes.KeysRecheck, Retry: min(retryAfter, lifetimes.KeysRecheck),
		Stale:       lifetimes.KeysStale,
		LoadTimeout: keySetTimeout, Patience: keySetPatience,
		Size:    2, // versions
		Waiting: maxWaiting,
	}
}

// find returns the set of a version in which a key ID is, if there is one. The
// authority is asked again for an ID that is not known: keys are rotated without
// notice. However many ask, it is asked once in keySetRecheck,
// and once in retryAfter while it fails.
func (s *keySets) find(ctx context.Context, version, id string) (keySet, error) {
	set, err := s.sets.Ask(ctx, version, func(set keySet) bool { return set.has(id) })
	if err != nil {
		return keySet{}, unavailable(err)
	}
	if !set.has(id) {
		return keySet{}, fmt.Errorf("key %q is none of the %d keys of %s", id, set.count(), set.source)
	}
	return set, nil
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
