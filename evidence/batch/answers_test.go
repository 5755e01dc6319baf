package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
)

func TestBadIDs(t *testing.T) {
	gone := errors.New("gone")
	// refuse answers as a source that knows only those that are not bad, and names
	// at most so many.
	refuse := func(names int, bad ...string) func(context.Context, []string) (map[string]batch.Result[string], error) {
		return func(_ context.Context, ids []string) (map[string]batch.Result[string], error) {
			var found []string
			for _, id := range ids {
				if slices.Contains(bad, id) {
					found = append(found, id)
				}
			}
			if len(found) > 0 {
				return nil, fmt.Errorf("call: %w", &batch.BadIDs[string]{IDs: found[:min(names, len(found))], Err: gone})
			}
			return capitals(ids), nil
		}
	}
	for name, tc := range map[string]struct {
		names, loads int
		bad          []string
	}{
		"one, named":             {100, 3, []string{"id-7"}},
		"several, named":         {100, 3, []string{"id-7", "id-8", "id-9"}},
		"several, one at a time": {1, 5, []string{"id-7", "id-8", "id-9"}},
		"one, not named":         {0, 16, []string{"id-7"}},
	} {
		run(t, name, func(t *testing.T, b *batcher, s *source) {
			s.load = refuse(tc.names, tc.bad...)
			var all sync.WaitGroup
			all.Go(func() { get(t, b, "first") })
			synctest.Wait()
			together(100, func(id string) {
				got, err := b.Get(t.Context(), "group", id)
				switch {
				case slices.Contains(tc.bad, id):
					if !errors.Is(err, gone) {
						t.Errorf("%s: got %q, %v", id, got, err)
					}
				case got != strings.ToUpper(id) || err != nil:
					t.Errorf("%s: got %q, %v", id, got, err)
				}
			})
			all.Wait()
			if len(s.calls) > tc.loads {
				t.Errorf("loads of %v IDs, want at most %d", s.calls, tc.loads)
			}
		})
	}
	run(t, "too many to be told apart are no answer for any", func(t *testing.T, b *batcher, s *source) {
		var bad []string
		for i := range 100 {
			bad = append(bad, fmt.Sprint("id-", i))
		}
		s.load = refuse(0, bad...)
		unknown := 0
		var mu sync.Mutex
		together(100, func(id string) {
			_, err := b.Get(t.Context(), "group", id)
			mu.Lock()
			defer mu.Unlock()
			if err == nil || errors.Is(err, batch.ErrNone) {
				t.Errorf("%s: got %v", id, err)
			}
			if !errors.Is(err, gone) {
				unknown++
			}
		})
		if len(s.calls) > 17 || unknown < 80 {
			t.Errorf("%d loads, %d errors of not knowing", len(s.calls), unknown)
		}
	})
	run(t, "another error is that of all, and asked once", func(t *testing.T, b *batcher, s *source) {
		s.load = func(context.Context, []string) (map[string]batch.Result[string], error) { return nil, gone }
		together(50, func(id string) {
			if _, err := b.Get(t.Context(), "group", id); !errors.Is(err, gone) {
				t.Errorf("got %v", err)
			}
		})
		wantCalls(t, s, 1, 49)
	})
}

func TestAnswersAreChecked(t *testing.T) {
	run(t, "what is left out is none", func(t *testing.T, b *batcher, s *source) {
		s.load = func(_ context.Context, ids []string) (map[string]batch.Result[string], error) {
			return capitals(slices.DeleteFunc(ids, func(id string) bool { return id == "id-3" })), nil
		}
		together(10, func(id string) {
			if id != "id-3" {
				get(t, b, id)
			} else if _, err := b.Get(t.Context(), "group", id); !errors.Is(err, batch.ErrNone) {
				t.Errorf("got %v", err)
			}
		})
	})
	run(t, "one about somebody else is none for anybody", func(t *testing.T, b *batcher, s *source) {
		s.load = func(_ context.Context, ids []string) (map[string]batch.Result[string], error) {
			return capitals(append(ids, "stranger")), nil
		}
		together(10, func(id string) {
			if _, err := b.Get(t.Context(), "group", id); err == nil || err.Error() != `the answer is about another, "stranger"` {
				t.Errorf("got %v", err)
			}
		})
	})
	run(t, "one can have an error of its own", func(t *testing.T, b *batcher, s *source) {
		own := errors.New("its own")
		s.load = func(_ context.Context, ids []string) (map[string]batch.Result[string], error) {
			answer := capitals(ids)
			answer["id-3"] = batch.Result[string]{Err: own}
			for id := range answer {
				if !slices.Contains(ids, id) {
					delete(answer, id)
				}
			}
			return answer, nil
		}
		together(10, func(id string) {
			if id != "id-3" {
				get(t, b, id)
			} else if _, err := b.Get(t.Context(), "group", id); !errors.Is(err, own) {
				t.Errorf("got %v", err)
			}
		})
	})
	run(t, "a panic is an error", func(t *testing.T, b *batcher, s *source) {
		s.load = func(context.Context, []string) (map[string]batch.Result[string], error) { panic("boom") }
		if _, err := b.Get(t.Context(), "group", "id"); err == nil || !strings.HasPrefix(err.Error(), "panic: boom") {
			t.Errorf("got %v", err)
		}
	})
	run(t, "a call ends in time", func(t *testing.T, b *batcher, s *source) {
		s.took = time.Hour
		if _, err := b.Get(t.Context(), "group", "id"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
