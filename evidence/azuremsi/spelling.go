package azuremsi

import (
	"context"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// spellings are how Resource Manager writes the names of resource groups when it is
// asked for one resource by its ID. Azure has no one spelling: lists of machines
// have groups in capitals, Resource Graph has them as it likes, and tokens as
// whoever made the identity wrote them. Selectors have the name of a group, and
// registration entries hang on those, so that they must not depend on how a machine
// was read.
type spellings struct {
	mu     sync.Mutex
	groups *simplelru.LRU[listKey, string]
}

func newSpellings() (*spellings, error) {
	groups, err := simplelru.NewLRU[listKey, string](factCacheSize, nil)
	return &spellings{groups: groups}, err
}

func (s *spellings) of(key listKey) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups.Get(key)
}

func (s *spellings) learn(key listKey, group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups.Add(key, group)
}

// finish reads what has no result yet by its ID, and gives the others the spelling
// that they would have if they had been read so. Of a group that nothing was read of
// so far, one resource is. Where that tells nothing, as with one that is gone, it is
// another's turn, and after a few each is read by its ID: one that can't be read is
// nobody else's problem.
func (r *reader[T]) finish(ctx context.Context, group batchGroup, ids []ResourceID, all results[T]) {
	r.loadEach(ctx, group, all.missing(ids), all)
	for key, ids := range groupKeys(group, ids) {
		left := maxSpellingReads
		for _, id := range ids {
			if _, known := r.spellings.of(key); known || left == 0 {
				break
			}
			if !all[id].Value.listed {
				continue // it was just read, and told nothing
			}
			left--
			r.loadEach(ctx, group, []ResourceID{id}, all)
		}
		name, known := r.spellings.of(key)
		for _, id := range ids {
			result := all[id]
			switch {
			case !result.Value.listed:
			case known:
				*r.groupOf(&result.Value.value) = name
				all[id] = result
			default:
				delete(all, id)
			}
		}
	}
	r.loadEach(ctx, group, all.missing(ids), all)
}

// groupKeys says which resources are in which resource group.
func groupKeys(group batchGroup, ids []ResourceID) map[listKey][]ResourceID {
	keys := map[listKey][]ResourceID{}
	for _, id := range ids {
		key := listKey{batchGroup: group, resourceGroup: lower(id.ResourceGroup)}
		keys[key] = append(keys[key], id)
	}
	return keys
}
