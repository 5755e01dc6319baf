package cache_test

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

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/cache"
	"github.com/spire-gatehouse/gatehouse/evidence/evidencetest"
)

// source counts its loads; how it answers is the test's.
type source struct {
	mu    sync.Mutex
	loads []string
	took  time.Duration
	err   error
}

func (s *source) load(ctx context.Context, key string) (string, error) {
	s.mu.Lock()
	s.loads = append(s.loads, key)
	n, took, err := len(s.loads), s.took, s.err
	s.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return fmt.Sprint(key, n), err
}

func (s *source) set(took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took, s.err = took, err
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.loads)
}

var options = cache.Options{
	Name: "test", Waiting: 3, Lifetime: 4 * time.Minute, Recheck: 10 * time.Second, Retry: 10 * time.Second, Stale: time.Hour, LoadTimeout: 30 * time.Second, Size: 2,
}

// run gives each test a clock of its own, on which time passes at once.
func run(t *testing.T, name string, f func(t *testing.T, c *cache.Cache[string, string], s *source)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &source{}
			c, err := cache.New(options, s.load)
			if err != nil {
				t.Fatal(err)
			}
			f(t, c, s)
			synctest.Wait()
		})
	})
}

func no(string) bool  { return false }
func yes(string) bool { return true }

func want(t *testing.T, s *source, loads int, value string) func(string, error) {
	t.Helper()
	return func(got string, err error) {
		t.Helper()
		if err != nil || got != value || s.count() != loads {
			t.Errorf("got %q, %v after %d loads; want %q after %d", got, err, s.count(), value, loads)
		}
	}
}

func TestCache(t *testing.T) {
	run(t, "an answer lives for its lifetime", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(3 * time.Minute)
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(time.Hour)
		want(t, s, 2, "a2")(c.Get(t.Context(), "a"))
	})
	run(t, "in use, it is renewed in the background", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(3*time.Minute + time.Second)
		s.set(20*time.Second, nil)
		if got, err := c.Get(t.Context(), "a"); got != "a1" || err != nil {
			t.Errorf("got %q, %v; want the answer there is, at once", got, err)
		}
		time.Sleep(21 * time.Second)
		want(t, s, 2, "a2")(c.Get(t.Context(), "a"))
	})
	run(t, "a thousand ask, one load", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(time.Second, nil)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if got, err := c.Get(t.Context(), "a"); got != "a1" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		all.Wait()
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
	})
	run(t, "each waiter leaves when its own time is over", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(10*time.Second, nil)
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var patient sync.WaitGroup
		patient.Go(func() { want(t, s, 1, "a1")(c.Get(t.Context(), "a")) })
		if _, err := c.Get(hasty, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		patient.Wait()
	})
	run(t, "a slow load is no reason to load again", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(25*time.Second, nil) // longer than Recheck
		want(t, s, 1, "a1")(c.Ask(t.Context(), "a", no))
	})
	run(t, "an answer that is good is not asked for again", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(time.Minute)
		want(t, s, 1, "a1")(c.Ask(t.Context(), "a", func(v string) bool { return v == "a1" }))
	})
	run(t, "one that is not is never older than the question", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		for n := range 5 {
			time.Sleep(time.Second) // so that the one before is older
			want(t, s, n+1, fmt.Sprint("a", n+1))(c.Ask(t.Context(), "a", no))
		}
	})
	run(t, "however many ask, the source is asked once in an interval, and all are answered", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		var all sync.WaitGroup
		for range 61 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
				defer cancel()
				if _, err := c.Ask(ctx, "a", no); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(4 * time.Second) // three wait
		}
		all.Wait()
		if got := s.count(); got < 24 || got > 26 {
			t.Errorf("%d loads in 244 s, want one in 10 s", got)
		}
	})
	run(t, "who waits leaves when his own time is over", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Ask(ctx, "a", no); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
	})
	run(t, "only so many wait, and others may come again", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(time.Second)
		var all sync.WaitGroup
		for range options.Waiting {
			all.Go(func() {
				if got, err := c.Ask(t.Context(), "a", no); got != "a2" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		_, err := c.Ask(t.Context(), "a", no)
		var busy *evidence.BusyError
		if !errors.As(err, &busy) || *busy != (evidence.BusyError{What: "test", After: 10 * time.Second}) || !errors.Is(err, evidence.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		all.Wait()
	})
	run(t, "peeking waits for nothing", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(time.Second, nil)
		if got, ok := c.Peek(t.Context(), "a", yes); ok || s.count() != 0 {
			t.Errorf("got %q after %d loads", got, s.count())
		}
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(3*time.Minute + time.Second)
		if got, ok := c.Peek(t.Context(), "a", yes); got != "a1" || !ok {
			t.Errorf("got %q", got)
		}
		if got, ok := c.Peek(t.Context(), "a", no); got != "" || ok {
			t.Errorf("got %q, which is not good", got)
		}
		time.Sleep(2 * time.Second) // it is renewed, as it is in use
		if got, ok := c.Peek(t.Context(), "a", yes); got != "a2" || !ok {
			t.Errorf("got %q", got)
		}
		time.Sleep(4*time.Minute + time.Second)
		if got, ok := c.Peek(t.Context(), "a", yes); ok {
			t.Errorf("got %q, which is too old", got)
		}
	})
	run(t, "a failing source is asked no more often either", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		down := errors.New("down")
		s.set(0, down)
		began := time.Now()
		var all sync.WaitGroup
		for range 20 {
			for range 2 {
				all.Go(func() {
					if _, err := c.Get(t.Context(), "a"); !errors.Is(err, down) {
						t.Errorf("got %v", err)
					}
				})
			}
			time.Sleep(7 * time.Second)
			all.Wait()
		}
		if got, most := s.count(), int(time.Since(began)/options.Retry)+1; got > most || got < most-1 {
			t.Errorf("%d loads in %s, want %d", got, time.Since(began), most)
		}
	})
	run(t, "a stale answer bridges an outage, for a stated time, and for Get only", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		down := errors.New("down")
		s.set(0, down)
		time.Sleep(59 * time.Minute)
		want(t, s, 2, "a1")(c.Get(t.Context(), "a"))
		if _, err := c.Ask(t.Context(), "a", no); !errors.Is(err, down) {
			t.Errorf("one that must be new: got %v", err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, down) {
			t.Errorf("beyond: got %v", err)
		}
		s.set(0, nil)
		time.Sleep(11 * time.Second)
		want(t, s, 4, "a4")(c.Get(t.Context(), "a"))
	})
	run(t, "the least recently used key goes", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		for _, key := range []string{"a", "b", "a", "c", "a", "b"} {
			if _, err := c.Get(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{"a", "b", "c", "b"}; !slices.Equal(s.loads, want) {
			t.Errorf("loads %v, want %v", s.loads, want)
		}
	})
	run(t, "more keys at once than there is room for", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(time.Second, nil)
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if _, err := c.Get(t.Context(), fmt.Sprint("key", i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := s.count(); got != 10 {
			t.Errorf("%d loads, want 10", got)
		}
	})
}

// TestAges: an answer is used up to its very age, and not after it.
func TestAges(t *testing.T) {
	run(t, "Lifetime", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		want(t, s, 2, "b2")(c.Get(t.Context(), "b"))
		time.Sleep(options.Lifetime)
		if got, err := c.Get(t.Context(), "a"); got != "a1" || err != nil {
			t.Errorf("at its age: got %q, %v", got, err)
		}
		synctest.Wait() // a is renewed
		time.Sleep(time.Nanosecond)
		want(t, s, 4, "b4")(c.Get(t.Context(), "b"))
	})
	run(t, "Stale", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		s.set(0, errors.New("down"))
		time.Sleep(options.Stale)
		want(t, s, 2, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(time.Nanosecond)
		if got, err := c.Get(t.Context(), "a"); err == nil {
			t.Errorf("older: got %q", got)
		}
	})
	run(t, "Recheck", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		began := time.Now()
		time.Sleep(time.Nanosecond) // or it would be as new as the question
		want(t, s, 2, "a2")(c.Ask(t.Context(), "a", no))
		if took := time.Since(began); took != options.Recheck {
			t.Errorf("asked again after %v, want %v", took, options.Recheck)
		}
	})
	run(t, "LoadTimeout", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(options.LoadTimeout-1, nil)
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		s.set(time.Hour, nil)
		began := time.Now()
		if got, err := c.Get(t.Context(), "b"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != options.LoadTimeout {
			t.Errorf("got %q, %v after %v, want an end after %v", got, err, time.Since(began), options.LoadTimeout)
		}
	})
}

func TestLoadPanics(t *testing.T) {
	c, err := cache.New(options, func(context.Context, string) (string, error) { panic("nil pointer") })
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), "a")
	if err == nil || !strings.HasPrefix(err.Error(), "panic: nil pointer") {
		t.Errorf("got %v", err)
	}
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*cache.Options){
		"no name":                      func(o *cache.Options) { o.Name = "" },
		"nobody may wait":              func(o *cache.Options) { o.Waiting = 0 },
		"no lifetime":                  func(o *cache.Options) { o.Lifetime = 0 },
		"no recheck":                   func(o *cache.Options) { o.Recheck = 0 },
		"no load timeout":              func(o *cache.Options) { o.LoadTimeout = 0 },
		"recheck longer than lifetime": func(o *cache.Options) { o.Recheck = o.Lifetime + 1 },
		"stale shorter than lifetime":  func(o *cache.Options) { o.Stale = o.Lifetime - 1 },
		"no size":                      func(o *cache.Options) { o.Size = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			o := options
			change(&o)
			if _, err := cache.New(o, (&source{}).load); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestLookupsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{took: time.Second}
		c, err := cache.New(options, s.load)
		if err != nil {
			t.Fatal(err)
		}
		heard := &evidencetest.Heard{}
		ctx := evidence.WithObserver(t.Context(), heard)
		get := func() { _, _ = c.Get(ctx, "a") }
		var both sync.WaitGroup
		both.Go(get)
		synctest.Wait()
		both.Go(get)
		both.Wait()
		time.Sleep(time.Minute)
		get()
		c.Peek(ctx, "a", yes)
		s.set(0, errors.New("down"))
		time.Sleep(10 * time.Minute)
		get()
		time.Sleep(time.Hour)
		get()
		want := []evidence.Lookup{
			{Cache: "test", Result: evidence.LookupMiss},
			{Cache: "test", Result: evidence.LookupShared},
			{Cache: "test", Result: evidence.LookupHit, Age: 61 * time.Second},
			{Cache: "test", Result: evidence.LookupHit, Age: 61 * time.Second},
			{Cache: "test", Result: evidence.LookupStale, Age: 661 * time.Second},
			{Cache: "test", Result: evidence.LookupFailed},
		}
		slices.SortStableFunc(heard.Lookups[:2], func(a, b evidence.Lookup) int { return strings.Compare(string(a.Result), string(b.Result)) })
		if !slices.Equal(heard.Lookups, want) {
			t.Errorf("got  %v\nwant %v", heard.Lookups, want)
		}
		synctest.Wait()
	})
}

// TestClose: a load that runs is ended, as nobody waits for what it would learn.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{took: options.LoadTimeout / 2}
		c, err := cache.New(options, s.load)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.AfterFunc(time.Millisecond, c.Close)
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, context.Canceled) || time.Since(began) != time.Millisecond {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
