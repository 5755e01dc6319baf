package batch_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
)

var options = batch.Options{
	Name: "test", Size: 100, Concurrency: 4, Pace: 500 * time.Millisecond, Patience: 2 * time.Second, Waiting: 2000, Timeout: time.Minute,
}

type batcher = batch.Batcher[string, string, string]

// source answers for each ID with that ID in capitals. What else it does is the
// test's.
type source struct {
	mu      sync.Mutex
	calls   []int // how many IDs each had
	began   []time.Duration
	running int
	most    int // at once
	start   time.Time

	took time.Duration
	load func(ctx context.Context, ids []string) (map[string]batch.Result[string], error)
}

func (s *source) answer(ctx context.Context, _ string, ids []string) (map[string]batch.Result[string], error) {
	s.mu.Lock()
	s.calls = append(s.calls, len(ids))
	s.began = append(s.began, time.Since(s.start))
	s.running++
	s.most = max(s.most, s.running)
	took := s.took
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.load != nil {
		return s.load(ctx, ids)
	}
	return capitals(ids), nil
}

func capitals(ids []string) map[string]batch.Result[string] {
	answer := map[string]batch.Result[string]{}
	for _, id := range ids {
		answer[id] = batch.Result[string]{Value: strings.ToUpper(id)}
	}
	return answer
}

// run gives each test a clock of its own, on which a call takes 50 ms.
func run(t *testing.T, name string, f func(t *testing.T, b *batcher, s *source)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &source{took: 50 * time.Millisecond, start: time.Now()}
			b, err := batch.New(options, s.answer)
			if err != nil {
				t.Fatal(err)
			}
			f(t, b, s)
			synctest.Wait()
		})
	})
}

func get(t *testing.T, b *batcher, id string) {
	t.Helper()
	if got, err := b.Get(t.Context(), "group", id); got != strings.ToUpper(id) || err != nil {
		t.Errorf("%s: got %q, %v", id, got, err)
	}
}

// together asks for so many at the same instant.
func together(n int, ask func(id string)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { ask(fmt.Sprint("id-", i)) })
	}
	all.Wait()
}

func wantCalls(t *testing.T, s *source, want ...int) {
	t.Helper()
	if !slices.Equal(s.calls, want) {
		t.Errorf("calls for %v IDs, want %v", s.calls, want)
	}
}
