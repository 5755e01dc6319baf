package azuremsi_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// inBubble runs a test on a clock of its own, on which waiting takes no time.
func inBubble(t *testing.T, name string, f func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector)) {
	t.Run(name, func(t *testing.T) {
		keys() // made outside, as the bubble's time would stand still
		synctest.Test(t, func(t *testing.T) {
			authority := entra.New(keys().a)
			f(t, authority, newCollector(t, authority, func(o *azuremsi.Options) { o.Now = time.Now }))
			synctest.Wait()
		})
	})
}

func wantRequests(t *testing.T, authority *entra.Authority, want int) {
	t.Helper()
	for _, path := range []string{entra.DiscoveryV1, entra.KeysV1} {
		if got := authority.Requests(path); got != want {
			t.Errorf("%d requests for %s, want %d", got, path, want)
		}
	}
}

func unknownKey(id string) string {
	return fmt.Sprintf("key %q is none of the 1 keys of https://login.microsoftonline.com/common/discovery/keys", id)
}

func TestKeyRotation(t *testing.T) {
	inBubble(t, "an unannounced rotation loses no honest token", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		key := keys().a
		for second := range 120 {
			switch second {
			case 2: // just after the first answer, when the authority can't be asked again yet
				key = keys().b
				authority.Publish(key)
			case 60:
				key = keys().a
				authority.Publish(key)
			}
			if _, problem := verify(t, c, authority.Issue(key, vm(), time.Now()).Sign()); problem != "" {
				t.Errorf("second %d: %s", second, problem)
			}
			time.Sleep(time.Second)
		}
		wantRequests(t, authority, 3)
	})
	inBubble(t, "a thousand tokens with unknown keys cost one fetch an interval", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		verify(t, c, authority.Issue(keys().a, vm(), time.Now()).Sign())
		time.Sleep(time.Minute)
		wantRequests(t, authority, 1)
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				id := fmt.Sprint("key-", i)
				token := authority.Issue(keys().a, vm(), time.Now()).WithHeader("kid", id).Sign()
				if _, got := verify(t, c, token); got != unknownKey(id) {
					t.Errorf("got %s", got)
				}
			})
		}
		all.Wait()
		wantRequests(t, authority, 2)
	})
	inBubble(t, "and one each interval while they go on", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		verify(t, c, authority.Issue(keys().a, vm(), time.Now()).Sign())
		token := authority.Issue(keys().a, vm(), time.Now()).WithHeader("kid", "other").Sign()
		var all sync.WaitGroup
		for range 600 { // ten a second, for a minute
			all.Go(func() {
				if _, got := verify(t, c, token); got != unknownKey("other") {
					t.Errorf("got %s", got)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		if got := authority.Requests(entra.KeysV1); got < 10 || got > 14 {
			t.Errorf("%d fetches in a minute, at most one each 5 s wanted", got)
		}
	})
	inBubble(t, "only so many wait", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		verify(t, c, authority.Issue(keys().a, vm(), time.Now()).Sign())
		token := authority.Issue(keys().a, vm(), time.Now()).WithHeader("kid", "other").Sign()
		time.Sleep(time.Second)
		var all sync.WaitGroup
		var mu sync.Mutex
		outcomes := map[string]int{}
		for range 1200 {
			all.Go(func() {
				_, got := verify(t, c, token)
				mu.Lock()
				defer mu.Unlock()
				outcomes[got]++
			})
		}
		all.Wait()
		if outcomes[unknownKey("other")] != 1024 || outcomes["keys: unavailable: too many wait for keys already: try again in 5s"] != 176 {
			t.Errorf("%v", outcomes)
		}
	})
	inBubble(t, "one leaves when its time is over", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		verify(t, c, authority.Issue(keys().a, vm(), time.Now()).Sign())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(time.Millisecond)
		token := authority.Issue(keys().a, vm(), time.Now()).WithHeader("kid", "other").Sign()
		_, err := c.Verify(ctx, payload(t, token))
		if !errors.Is(err, evidence.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAuthorityDown(t *testing.T) {
	inBubble(t, "from the start", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		authority.Stop()
		token := authority.Issue(keys().a, vm(), time.Now()).Sign()
		_, err := c.Verify(t.Context(), payload(t, token))
		want := "keys: unavailable: https://login.microsoftonline.com/common/.well-known/openid-configuration: answered 503 Service Unavailable"
		if !errors.Is(err, evidence.ErrUnavailable) || err.Error() != want {
			t.Errorf("got %v", err)
		}
		authority.Start()
		time.Sleep(time.Nanosecond)
		if _, problem := verify(t, c, token); problem != "" { // it waits for a moment
			t.Error(problem)
		}
	})
	inBubble(t, "forged tokens cost one fetch a second, while nothing is known", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		authority.Stop()
		began := time.Now()
		var all sync.WaitGroup
		for i := range 600 { // ten a second, for a minute
			all.Go(func() {
				token := authority.Issue(keys().a, vm(), time.Now()).WithHeader("kid", fmt.Sprint("key-", i))
				if _, err := c.Verify(t.Context(), payload(t, token.Sign())); !errors.Is(err, evidence.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		if got, most := authority.Requests(entra.DiscoveryV1), int(time.Since(began)/time.Second)+1; got > most || got < most/2 {
			t.Errorf("%d fetches in %s", got, time.Since(began))
		}
	})
	inBubble(t, "the last good set serves for a day", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		token := authority.Issue(keys().a, vm(), time.Now().Add(time.Hour)).Sign()
		if _, problem := verify(t, c, authority.Issue(keys().a, vm(), time.Now()).Sign()); problem != "" {
			t.Fatal(problem)
		}
		authority.Stop()
		time.Sleep(24*time.Hour - time.Minute)
		if _, problem := verify(t, c, token); problem != "" {
			t.Error(problem)
		}
		other := authority.Issue(keys().a, vm(), time.Now()).WithHeader("kid", "other").Sign()
		if _, err := c.Verify(t.Context(), payload(t, other)); !errors.Is(err, evidence.ErrUnavailable) {
			t.Errorf("a key that may be new: got %v", err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := c.Verify(t.Context(), payload(t, token)); !errors.Is(err, evidence.ErrUnavailable) {
			t.Errorf("after a day: got %v", err)
		}
	})
	inBubble(t, "keys are renewed in the background", func(t *testing.T, authority *entra.Authority, c *azuremsi.Collector) {
		for range 24 * 4 {
			if _, problem := verify(t, c, authority.Issue(keys().a, vm(), time.Now()).Sign()); problem != "" {
				t.Fatal(problem)
			}
			time.Sleep(15 * time.Minute)
		}
		if got := authority.Requests(entra.KeysV1); got < 23 || got > 33 {
			t.Errorf("%d fetches in a day", got)
		}
	})
}
