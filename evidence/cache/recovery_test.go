package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/cache"
)

// eager is a cache of what may be asked for again soon after it failed, or while it hangs.
func eager(t *testing.T, s *source) *cache.Cache[string, string] {
	t.Helper()
	o := options
	o.Retry, o.Patience, o.Waiting = time.Second, 2*time.Second, 1000
	c, err := cache.New(o, s.load)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// recovers runs a test of how the end of an outage shows.
func recovers(t *testing.T, name string, f func(t *testing.T, c *cache.Cache[string, string], s *source)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &source{}
			c := eager(t, s)
			f(t, c, s)
			c.Close()
			synctest.Wait()
		})
	})
}

// took runs f, and says that it took so long.
func took(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if got := time.Since(began); got != want {
		t.Errorf("took %v, want %v", got, want)
	}
}

var errDown = errors.New("down")

func TestRecovery(t *testing.T) {
	recovers(t, "those who waited for a load share its failure", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(time.Second/2, errDown)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				took(t, time.Second/2, func() {
					if _, err := c.Get(t.Context(), "a"); !errors.Is(err, errDown) {
						t.Errorf("got %v", err)
					}
				})
			})
		}
		all.Wait()
		if got := s.count(); got != 1 {
			t.Errorf("%d loads", got)
		}
	})
	recovers(t, "who comes later hears of the next", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(0, errDown)
		_, _ = c.Get(t.Context(), "a")
		s.set(0, nil)
		time.Sleep(time.Second / 4)
		took(t, 3*time.Second/4, func() { want(t, s, 2, "a2")(c.Get(t.Context(), "a")) })
	})
	recovers(t, "at once if the failure is longer ago", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(0, errDown)
		_, _ = c.Get(t.Context(), "a")
		s.set(0, nil)
		time.Sleep(time.Second)
		took(t, 0, func() { want(t, s, 2, "a2")(c.Get(t.Context(), "a")) })
	})
	recovers(t, "a flood is one load in a while, and the first that the source answers is for all", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(0, errDown)
		began := time.Now()
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() { _, _ = c.Ask(t.Context(), "a", no) })
			time.Sleep(time.Second / 20)
		}
		if got, most := s.count(), int(time.Since(began)/time.Second)+1; got > most {
			t.Errorf("%d loads in %v", got, time.Since(began))
		}
		s.set(0, nil)
		time.Sleep(time.Nanosecond) // what failed in this very instant is still an answer
		if _, err := c.Get(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
}

func TestHungLoad(t *testing.T) {
	const ever = 20 * time.Second
	recovers(t, "who waits is answered by another", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(ever, errDown)
		time.AfterFunc(time.Second, func() { s.set(0, nil) })
		took(t, 2*time.Second, func() { want(t, s, 2, "a2")(c.Get(t.Context(), "a")) })
	})
	recovers(t, "who comes then has not to wait for it", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(ever, errDown)
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = c.Get(hasty, "a")
		s.set(0, nil)
		time.Sleep(time.Second)
		took(t, 0, func() { want(t, s, 2, "a2")(c.Get(t.Context(), "a")) })
		// When it ends after all, its failure is nobody's any more.
		time.Sleep(ever)
		took(t, 0, func() { want(t, s, 3, "a3")(c.Ask(t.Context(), "a", no)) })
	})
	recovers(t, "however many wait, one is begun in a while", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(time.Hour, nil)
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() {
				if _, err := c.Get(t.Context(), "a"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait() // until the first has taken too long
		if got, most := s.count(), int(options.LoadTimeout/(2*time.Second))+1; got > most {
			t.Errorf("%d loads, want %d at most", got, most)
		}
	})
	recovers(t, "one that is only slow answers all the same", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		s.set(3*time.Second, nil)
		took(t, 3*time.Second, func() { want(t, s, 2, "a1")(c.Get(t.Context(), "a")) })
		// The later one ends later, and is newer.
		time.Sleep(2*time.Second + 1)
		took(t, 0, func() { want(t, s, 2, "a2")(c.Get(t.Context(), "a")) })
	})
	recovers(t, "a stale answer is there at once while it is known that the source fails", func(t *testing.T, c *cache.Cache[string, string], s *source) {
		want(t, s, 1, "a1")(c.Get(t.Context(), "a"))
		time.Sleep(5 * time.Minute)
		s.set(time.Hour, nil)
		took(t, options.LoadTimeout, func() { _, _ = c.Get(t.Context(), "a") })
		for range 10 {
			time.Sleep(options.LoadTimeout)
			took(t, 0, func() {
				if got, err := c.Get(t.Context(), "a"); got != "a1" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		s.set(0, nil)
		time.Sleep(options.LoadTimeout + time.Nanosecond) // a load was under way
		_, _ = c.Get(t.Context(), "a")
		synctest.Wait()
		n := s.count()
		want(t, s, n, fmt.Sprint("a", n))(c.Get(t.Context(), "a"))
	})
}
