package azuremsi

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
	"github.com/spire-gatehouse/gatehouse/evidence/cache"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
	"github.com/spire-gatehouse/gatehouse/internal/stack"
)

// found is an answer, which may be that there is nothing. It is an answer like
// others to the caches, but see ask.
type found[T any] struct {
	value   T
	missing error // errNotFound, wrapped

	// direct says that Resource Manager answered for this very resource, just now.
	// Resource Graph lags behind, and a list may be some seconds old: good enough
	// to let a node in, and not to deny one.
	direct bool

	// listed says that it came together with others, from Resource Graph or a list.
	listed bool
}

// A batchGroup is what one call may be about: limits are a credential's, and those
// of a subscription that can't be read should be nobody else's problem.
type batchGroup struct{ tenant, subscription string }

// A listKey is what a list is of: a resource group, or a scale set in one. All are
// in lower case.
type listKey struct {
	batchGroup
	resourceGroup, scaleSet string
}

// reader reads resources of one kind: a few each by its ID, as their answers are
// the newest, and many together. Then Resource Graph is asked for all of them; what
// that lacks, as it does new ones for a while, is looked for in a list that is
// shared; and what is in neither, or in a form that is not understood, is read by
// its ID after all. So a private cloud without Resource Graph costs more calls, and
// answers the same.
type reader[T any] struct {
	one   func(context.Context, resource) (T, error)
	graph func(ctx context.Context, group batchGroup, ids []ResourceID) (map[string]T, error)
	lists *cache.Cache[listKey, map[string]T] // by ID

	// respell gives an answer from a list the spelling of those who asked, and
	// groupOf is where its resource group is: see spellings.
	respell   func(T, ResourceID) T
	groupOf   func(*T) *string
	spellings *spellings

	batches *batch.Batcher[batchGroup, ResourceID, found[T]]
	direct  *batch.Batcher[batchGroup, ResourceID, found[T]]
}

func newReader[T any](name string, one func(context.Context, resource) (T, error),
	graph func(context.Context, batchGroup, []ResourceID) (map[string]T, error),
	list func(context.Context, listKey) (map[string]T, error), respell func(T, ResourceID) T, groupOf func(*T) *string,
) (*reader[T], error) {
	r := &reader[T]{one: one, graph: graph, respell: respell, groupOf: groupOf}
	var errs [4]error
	r.lists, errs[0] = cache.New(listOptions(name), list)
	r.batches, errs[1] = batch.New(batchOptions(name), r.load)
	r.direct, errs[2] = batch.New(batchOptions(name+"_direct"), r.loadDirectly)
	r.spellings, errs[3] = newSpellings()
	return r, errors.Join(errs[:]...)
}

func listOptions(name string) cache.Options {
	return cache.Options{
		Name: name + "_list", Lifetime: listLifetime, Recheck: listRecheck, Retry: min(retryAfter, listRecheck), Stale: listLifetime,
		LoadTimeout: factTimeout, Size: maxLists, Waiting: maxWaiting,
	}
}

// read reads one resource, together with those that are read at the same time.
func (r *reader[T]) read(ctx context.Context, of resource) (found[T], error) {
	return r.batches.Get(ctx, batchGroup{of.tenant, of.id.SubscriptionID}, of.id)
}

// readDirectly does the same, but only with what Resource Manager says from now on.
func (r *reader[T]) readDirectly(ctx context.Context, of resource) (found[T], error) {
	return r.direct.Get(ctx, batchGroup{of.tenant, of.id.SubscriptionID}, of.id)
}

// results of a batch.
type results[T any] map[ResourceID]batch.Result[found[T]]

// missing are those of the IDs that have no result yet.
func (r results[T]) missing(ids []ResourceID) []ResourceID {
	return slices.DeleteFunc(slices.Clone(ids), func(id ResourceID) bool { _, ok := r[id]; return ok })
}

// load implements batch.Load. What Resource Graph doesn't tell, for whatever
// reason, Resource Manager does.
func (r *reader[T]) load(ctx context.Context, group batchGroup, ids []ResourceID) (map[ResourceID]batch.Result[found[T]], error) {
	all := results[T]{}
	if len(ids) > few {
		if answer, err := r.graph(ctx, group, ids); err == nil {
			for _, id := range ids {
				if value, ok := answer[id.ID]; ok {
					all[id] = batch.Result[found[T]]{Value: found[T]{value: value, listed: true}}
				}
			}
		}
	}
	r.list(ctx, group, all.missing(ids), all, time.Time{})
	r.finish(ctx, group, ids, all)
	return all, nil
}

// loadDirectly implements batch.Load, without Resource Graph.
func (r *reader[T]) loadDirectly(ctx context.Context, group batchGroup, ids []ResourceID) (map[ResourceID]batch.Result[found[T]], error) {
	all := results[T]{}
	r.list(ctx, group, ids, all, time.Now())
	r.finish(ctx, group, ids, all)
	return all, nil
}

// list finds resources in lists that are worth it, each of which is no older than
// since. A list that can't be had is one less.
func (r *reader[T]) list(ctx context.Context, group batchGroup, ids []ResourceID, all results[T], since time.Time) {
	for key, listed := range listKeys(group, ids) {
		if len(listed) <= few {
			continue
		}
		var list map[string]T
		var err error
		if since.IsZero() {
			list, err = r.lists.Ask(ctx, key, func(list map[string]T) bool {
				return !slices.ContainsFunc(listed, func(id ResourceID) bool { _, ok := list[id.ID]; return !ok })
			})
		} else {
			list, err = r.lists.Since(ctx, key, since)
		}
		for _, id := range listed {
			if value, ok := list[id.ID]; ok && err == nil {
				all[id] = batch.Result[found[T]]{Value: found[T]{value: r.respell(value, id), direct: !since.IsZero(), listed: true}}
			}
		}
	}
}

// oneSafely makes an error of a panic, which is nobody else's problem.
func (r *reader[T]) oneSafely(ctx context.Context, id resource) (_ T, err error) {
	defer recovered.To(&err)
	return r.one(ctx, id)
}

// loadEach reads each by its ID, a few at a time, and learns how Resource Manager
// spells their groups.
func (r *reader[T]) loadEach(ctx context.Context, of batchGroup, ids []ResourceID, all results[T]) {
	read := make([]batch.Result[found[T]], len(ids))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, id := range ids {
		group.Go(func() error {
			stack.Grow()
			value, err := r.oneSafely(ctx, resource{tenant: of.tenant, id: id})
			read[i].Value = found[T]{value: value, direct: true}
			if read[i].Err = err; errors.Is(err, errNotFound) {
				read[i] = batch.Result[found[T]]{Value: found[T]{missing: err, direct: true}}
			}
			return nil
		})
	}
	_ = group.Wait() // errors are in the results
	for i, id := range ids {
		all[id] = read[i]
		if read[i].Err == nil && read[i].Value.missing == nil {
			r.spellings.learn(listKey{batchGroup: of, resourceGroup: lower(id.ResourceGroup)}, *r.groupOf(&read[i].Value.value))
		}
	}
}

// listKeys says which lists would have the resources.
func listKeys(group batchGroup, ids []ResourceID) map[listKey][]ResourceID {
	keys := map[listKey][]ResourceID{}
	for _, id := range ids {
		key := listKey{batchGroup: group, resourceGroup: lower(id.ResourceGroup)}
		if id.isInstance() || id.isInstanceInterface() {
			key.scaleSet = lower(id.names()[0])
		}
		keys[key] = append(keys[key], id)
	}
	return keys
}
