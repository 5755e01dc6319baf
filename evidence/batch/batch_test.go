package batch_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/batch"
	"github.com/spire-gatehouse/gatehouse/evidence/evidencetest"
)

func TestCallsAreShared(t *testing.T) {
	run(t, "who comes alone is asked for at once", func(t *testing.T, b *batcher, s *source) {
		for i := range 20 {
			began := time.Now()
			get(t, b, fmt.Sprint("id-", i))
			if took := time.Since(began); took != s.took {
				t.Errorf("took %v", took)
			}
		}
		if len(s.calls) != 20 {
			t.Errorf("%d calls", len(s.calls))
		}
	})
	run(t, "those who come while a call is under way share the next", func(t *testing.T, b *batcher, s *source) {
		var all sync.WaitGroup
		for _, id := range []string{"first", "second", "third"} {
			all.Go(func() { get(t, b, id) })
			time.Sleep(10 * time.Millisecond)
		}
		all.Wait()
		wantCalls(t, s, 1, 2)
		if want := []time.Duration{0, 50 * time.Millisecond}; !slices.Equal(s.began, want) {
			t.Errorf("began at %v, want %v", s.began, want)
		}
	})
	run(t, "a thousand at once", func(t *testing.T, b *batcher, s *source) {
		together(1000, func(id string) { get(t, b, id) })
		if len(s.calls) > 12 || slices.Max(s.calls) > 100 || s.most > 4 {
			t.Errorf("calls for %v IDs, %d at once", s.calls, s.most)
		}
	})
	run(t, "a thousand in a second", func(t *testing.T, b *batcher, s *source) {
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() { get(t, b, fmt.Sprint("id-", i)) })
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		if len(s.calls) > 14 || slices.Max(s.calls) > 100 {
			t.Errorf("calls for %v IDs", s.calls)
		}
	})
	run(t, "a few at a time, for long", func(t *testing.T, b *batcher, s *source) {
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() { get(t, b, fmt.Sprint("id-", i)) })
			time.Sleep(10 * time.Millisecond)
		}
		all.Wait()
		if len(s.calls) > 23 {
			t.Errorf("%d calls in ten seconds, one each 500 ms wanted", len(s.calls))
		}
	})
	run(t, "after that who comes alone is asked for at once again", func(t *testing.T, b *batcher, s *source) {
		together(3, func(id string) { get(t, b, id) })
		time.Sleep(time.Second)
		began := time.Now()
		get(t, b, "late")
		if took := time.Since(began); took != s.took {
			t.Errorf("took %v", took)
		}
	})
	run(t, "many who ask for one ID are one", func(t *testing.T, b *batcher, s *source) {
		together(50, func(string) { get(t, b, "same") })
		wantCalls(t, s, 1, 1) // the second for those who came after the first began
	})
	run(t, "an answer is never older than its question", func(t *testing.T, b *batcher, s *source) {
		n := 0
		s.load = func(_ context.Context, ids []string) (map[string]batch.Result[string], error) {
			n++
			return map[string]batch.Result[string]{ids[0]: {Value: fmt.Sprint(n)}}, nil
		}
		var all sync.WaitGroup
		for want := range 2 {
			all.Go(func() {
				if got, err := b.Get(t.Context(), "group", "same"); got != fmt.Sprint(want+1) || err != nil {
					t.Errorf("got %q, %v, want %d", got, err, want+1)
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		all.Wait()
	})
	run(t, "groups don't wait for each other", func(t *testing.T, b *batcher, s *source) {
		began := time.Now()
		together(100, func(id string) {
			if _, err := b.Get(t.Context(), id, id); err != nil {
				t.Error(err)
			}
		})
		if took := time.Since(began); took != s.took || len(s.calls) != 100 {
			t.Errorf("%d calls took %v", len(s.calls), took)
		}
	})
	run(t, "a call that hangs holds up the next only for a while", func(t *testing.T, b *batcher, s *source) {
		s.took = 30 * time.Second
		var all sync.WaitGroup
		all.Go(func() { get(t, b, "hangs") })
		synctest.Wait()
		s.took = time.Second
		began := time.Now()
		together(3, func(id string) { get(t, b, id) })
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		all.Wait()
	})
	run(t, "as many wait as may, and not one more", func(t *testing.T, b *batcher, s *source) {
		s.took = 10 * time.Second
		var all sync.WaitGroup
		all.Go(func() { get(t, b, "first") }) // a call of its own
		synctest.Wait()
		for i := range (options.Concurrency - 1) * options.Size { // and these are full
			all.Go(func() { get(t, b, fmt.Sprint("called-", i)) })
		}
		synctest.Wait()
		for i := range options.Waiting {
			all.Go(func() { get(t, b, fmt.Sprint("waits-", i)) })
		}
		synctest.Wait()
		if _, err := b.Get(t.Context(), "group", "late"); err == nil || err.Error() != "too many wait for test already: try again in 2s" {
			t.Errorf("one more: got %v", err)
		}
		all.Wait()
	})
	run(t, "no more wait than should", func(t *testing.T, b *batcher, s *source) {
		s.took = 10 * time.Second
		var mu sync.Mutex
		outcomes := map[string]int{}
		together(3000, func(id string) {
			_, err := b.Get(t.Context(), "group", id)
			mu.Lock()
			defer mu.Unlock()
			outcomes[fmt.Sprint(err, errors.Is(err, evidence.ErrUnavailable))]++
		})
		// Beside those that wait, four full calls are under way at most.
		if refused := outcomes["too many wait for test already: try again in 2s true"]; refused < 600 || outcomes["<nil> false"] != 3000-refused {
			t.Errorf("%v", outcomes)
		}
	})
}

func TestWaitersLeave(t *testing.T) {
	run(t, "each when its own time is over", func(t *testing.T, b *batcher, s *source) {
		s.took = 10 * time.Second
		var patient sync.WaitGroup
		patient.Go(func() { get(t, b, "same") })
		synctest.Wait()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("in a hurry"))
		defer cancel()
		for _, id := range []string{"same", "other"} {
			if _, err := b.Get(ctx, "group", id); err == nil || err.Error() != "in a hurry" {
				t.Errorf("got %v", err)
			}
		}
		patient.Wait()
		wantCalls(t, s, 1) // nobody wants the second any more
	})
	run(t, "a call that nobody waits for is cancelled", func(t *testing.T, b *batcher, s *source) {
		s.took = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = b.Get(ctx, "group", "first")
		began := time.Now()
		s.took = 0
		get(t, b, "second")
		if took := time.Since(began); took != 0 {
			t.Errorf("the next waited for %v", took)
		}
	})
	run(t, "one that another waits for is not", func(t *testing.T, b *batcher, s *source) {
		together(2, func(id string) {
			s.mu.Lock()
			s.took = 5 * time.Second
			s.mu.Unlock()
			if id == "id-0" {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				_, _ = b.Get(ctx, "group", "same")
				return
			}
			get(t, b, "same")
		})
	})
}

func TestLookupsAreReported(t *testing.T) {
	run(t, "each", func(t *testing.T, b *batcher, s *source) {
		heard := &evidencetest.Heard{}
		ctx := evidence.WithObserver(t.Context(), heard)
		together(10, func(id string) { _, _ = b.Get(ctx, "group", id) })
		s.load = func(context.Context, []string) (map[string]batch.Result[string], error) {
			return nil, errors.New("down")
		}
		_, _ = b.Get(ctx, "group", "id")
		want := map[evidence.Lookup]int{
			{Cache: "test", Result: evidence.LookupMiss}:   2,
			{Cache: "test", Result: evidence.LookupShared}: 8,
			{Cache: "test", Result: evidence.LookupFailed}: 1,
		}
		got := map[evidence.Lookup]int{}
		for _, lookup := range heard.Lookups {
			got[lookup]++
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*batch.Options){
		"no name":        func(o *batch.Options) { o.Name = "" },
		"no size":        func(o *batch.Options) { o.Size = 0 },
		"no concurrency": func(o *batch.Options) { o.Concurrency = 0 },
		"no pace":        func(o *batch.Options) { o.Pace = 0 },
		"no patience":    func(o *batch.Options) { o.Patience = 0 },
		"nobody waits":   func(o *batch.Options) { o.Waiting = 0 },
		"no timeout":     func(o *batch.Options) { o.Timeout = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			o := options
			change(&o)
			if _, err := batch.New(o, (&source{}).answer); err == nil {
				t.Error("no error")
			}
		})
	}
}
