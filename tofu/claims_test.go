package tofu_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/tofu"
)

func TestClaims(t *testing.T) {
	const ttl = 30 * time.Second
	for name, test := range map[string]func(t *testing.T, c *tofu.Claims){
		"held while an attestation runs, however long": func(t *testing.T, c *tofu.Claims) {
			take(t, c, true, "agent")
			time.Sleep(time.Hour)
			take(t, c, false, "agent")
		},
		"all or nothing": func(t *testing.T, c *tofu.Claims) {
			take(t, c, true, "agent 1", "machine")
			take(t, c, false, "agent 2", "machine")
			take(t, c, true, "agent 2")
		},
		"free again after a refusal": func(t *testing.T, c *tofu.Claims) {
			take(t, c, true, "agent", "machine").Release()
			take(t, c, true, "agent", "machine")
		},
		"kept for a while after an accept": func(t *testing.T, c *tofu.Claims) {
			take(t, c, true, "agent", "machine").Keep()
			time.Sleep(ttl - time.Nanosecond)
			take(t, c, false, "machine")
			time.Sleep(time.Nanosecond)
			take(t, c, true, "machine")
		},
		"releasing a kept claim changes nothing": func(t *testing.T, c *tofu.Claims) {
			claim := take(t, c, true, "agent")
			claim.Keep()
			claim.Release()
			take(t, c, false, "agent")
		},
		"releasing twice does not free another's claim": func(t *testing.T, c *tofu.Claims) {
			claim := take(t, c, true, "agent")
			claim.Release()
			take(t, c, true, "agent")
			claim.Release()
			take(t, c, false, "agent")
		},
		"one of a thousand wins": func(t *testing.T, c *tofu.Claims) {
			var all sync.WaitGroup
			won := make(chan int, 1000)
			for i := range 1000 {
				all.Go(func() {
					if _, ok := c.Take(fmt.Sprint("agent ", i), "machine"); ok {
						won <- i
					}
				})
			}
			all.Wait()
			if len(won) != 1 {
				t.Errorf("%d took the claim, want 1", len(won))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, tofu.NewClaims(ttl, nil)) })
		})
	}
}

// Where there is no claim there is nothing to end.
func TestNoClaim(t *testing.T) {
	c := tofu.NewClaims(time.Minute, nil)
	take(t, c, true, "agent")
	claim := take(t, c, false, "agent")
	claim.Keep()
	claim.Release()
	take(t, c, false, "agent")
}

func take(t *testing.T, c *tofu.Claims, want bool, names ...string) *tofu.Claim {
	t.Helper()
	claim, ok := c.Take(names...)
	if ok != want {
		t.Fatalf("take %q: got %v, want %v", names, ok, want)
	}
	return claim
}
