package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// ask gets a result for each question.
func (b *Batcher[G, K, V]) ask(ctx context.Context, key G, asked []*question[K, V]) map[K]Result[V] {
	ids := make([]K, 0, len(asked))
	for _, q := range asked {
		ids = append(ids, q.id)
	}
	f := fetch[G, K, V]{load: b.load, group: key, left: maxLoads, results: make(map[K]Result[V], len(ids))}
	f.fetch(ctx, ids)
	return f.results
}

// fetch is one call, with all the loads that it takes.
type fetch[G, K comparable, V any] struct {
	load    Load[G, K, V]
	group   G
	left    int // loads
	results map[K]Result[V]
}

// fetch fills in the results for ids.
func (f *fetch[G, K, V]) fetch(ctx context.Context, ids []K) {
	if f.left--; f.left < 0 {
		f.fail(ids, fmt.Errorf("one of %d that are asked for together can't be asked for, and which one was not found out in %d calls", len(ids), maxLoads))
		return
	}
	answer, err := f.loadSafely(ctx, slices.Clone(ids))
	var bad *BadIDs[K]
	switch {
	case errors.As(err, &bad) && len(ids) == 1:
		f.fail(ids, bad.Err)
	case errors.As(err, &bad):
		f.without(ctx, ids, bad)
	case err != nil:
		f.fail(ids, err)
	default:
		f.take(ids, answer)
	}
}

// take believes an answer, if it is about those that were asked for.
func (f *fetch[G, K, V]) take(ids []K, answer map[K]Result[V]) {
	for id := range answer {
		if !slices.Contains(ids, id) {
			f.fail(ids, fmt.Errorf("the answer is about another, %.64q", fmt.Sprint(id)))
			return
		}
	}
	for _, id := range ids {
		result, ok := answer[id]
		if !ok {
			result.Err = ErrNone
		}
		f.results[id] = result
	}
}

// without asks again for those that are not bad: without those that were named, or
// if none was, for each half by itself.
func (f *fetch[G, K, V]) without(ctx context.Context, ids []K, bad *BadIDs[K]) {
	var named, rest []K
	for _, id := range ids {
		if slices.Contains(bad.IDs, id) {
			named = append(named, id)
		} else {
			rest = append(rest, id)
		}
	}
	f.fail(named, bad.Err)
	if len(named) == 0 {
		half := len(rest) / 2
		f.fetch(ctx, rest[:half])
		rest = rest[half:]
	}
	if len(rest) > 0 {
		f.fetch(ctx, rest)
	}
}

func (f *fetch[G, K, V]) fail(ids []K, err error) {
	for _, id := range ids {
		f.results[id] = Result[V]{Err: err}
	}
}

// loadSafely makes an error of a panic: the load runs in a goroutine of its own,
// where nobody else could.
func (f *fetch[G, K, V]) loadSafely(ctx context.Context, ids []K) (answer map[K]Result[V], err error) {
	defer recovered.To(&err)
	return f.load(ctx, f.group, ids)
}
