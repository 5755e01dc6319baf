// Package tofutest tests that claims are what package tofu says of them, whoever
// holds them.
package tofutest

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/spire-gatehouse/gatehouse/tofu"
)

// Contract tests claims that live for long enough that none runs out meanwhile.
func Contract(t *testing.T, fresh func(t *testing.T) tofu.Claims) {
	for name, test := range map[string]func(t *testing.T, c tofu.Claims){
		"one attestation at a time": func(t *testing.T, c tofu.Claims) {
			Take(t, c, true, "agent", "machine")
			Take(t, c, false, "agent", "machine")
		},
		"another agent of the machine": func(t *testing.T, c tofu.Claims) {
			Take(t, c, true, "agent 1", "machine")
			Take(t, c, false, "agent 2", "machine")
		},
		"another machine of the agent": func(t *testing.T, c tofu.Claims) {
			Take(t, c, true, "agent", "machine 1")
			Take(t, c, false, "agent", "machine 2")
		},
		"another node": func(t *testing.T, c tofu.Claims) {
			Take(t, c, true, "agent 1", "machine 1")
			Take(t, c, true, "agent 2", "machine 2")
		},
		"both or neither": func(t *testing.T, c tofu.Claims) {
			Take(t, c, true, "agent 1", "machine 1")
			Take(t, c, false, "agent 2", "machine 1")
			Take(t, c, false, "agent 1", "machine 2")
			Take(t, c, true, "agent 2", "machine 2")
		},
		"free again after a refusal": func(t *testing.T, c tofu.Claims) {
			release(t, Take(t, c, true, "agent", "machine"))
			Take(t, c, true, "agent", "machine")
		},
		"kept after an accept": func(t *testing.T, c tofu.Claims) {
			Keep(t, Take(t, c, true, "agent", "machine"))
			Take(t, c, false, "agent", "another machine")
			Take(t, c, false, "another agent", "machine")
		},
		"releasing a kept claim changes nothing": func(t *testing.T, c tofu.Claims) {
			claim := Take(t, c, true, "agent", "machine")
			Keep(t, claim)
			release(t, claim)
			Take(t, c, false, "agent", "machine")
		},
		"releasing twice does not free another's claim": func(t *testing.T, c tofu.Claims) {
			claim := Take(t, c, true, "agent", "machine")
			release(t, claim)
			Take(t, c, true, "agent", "machine")
			release(t, claim)
			Take(t, c, false, "agent", "machine")
		},
		"where there is no claim there is nothing to end": func(t *testing.T, c tofu.Claims) {
			Take(t, c, true, "agent", "machine")
			without := Take(t, c, false, "agent", "machine")
			release(t, without)
			Take(t, c, false, "agent", "machine")
		},
		"looking takes nothing": func(t *testing.T, c tofu.Claims) {
			claim, err := c.Look(t.Context(), tofu.Node{AgentID: "agent", Machine: "machine"})
			if err != nil || claim.Held() {
				t.Fatalf("got %v, %v", claim, err)
			}
			taken := Take(t, c, true, "agent", "machine")
			release(t, claim)
			Keep(t, claim)
			Take(t, c, false, "agent", "machine")
			release(t, taken)
			Take(t, c, true, "agent", "machine")
		},
		"released though the agent hung up": func(t *testing.T, c tofu.Claims) {
			claim := Take(t, c, true, "agent", "machine")
			ctx, hangUp := context.WithCancel(t.Context())
			hangUp()
			if err := claim.Release(ctx); err != nil {
				t.Error(err)
			}
			Take(t, c, true, "agent", "machine")
		},
		"one of a thousand wins": func(t *testing.T, c tofu.Claims) {
			var all sync.WaitGroup
			won := make(chan string, 1000)
			for i := range 1000 {
				all.Go(func() {
					agent := fmt.Sprint("agent ", i)
					claim, err := c.Take(t.Context(), tofu.Node{AgentID: agent, Machine: "machine"})
					if err != nil {
						t.Error(err)
					} else if claim.Held() {
						won <- agent
					}
				})
			}
			all.Wait()
			if len(won) != 1 {
				t.Fatalf("%d took the claim, want 1", len(won))
			}
			// Those that lost hold nothing, their own agent neither.
			winner := <-won
			for i := 0; i < 1000; i += 50 {
				agent := fmt.Sprint("agent ", i)
				Take(t, c, agent != winner, agent, fmt.Sprint("machine ", i))
			}
		},
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

// Take takes a claim, and says whether it must be held.
func Take(t testing.TB, c tofu.Claims, held bool, agentID, machine string) tofu.Claim {
	t.Helper()
	claim, err := c.Take(t.Context(), tofu.Node{AgentID: agentID, Machine: machine})
	if err != nil {
		t.Fatalf("take %q and %q: %v", agentID, machine, err)
	}
	if claim.Held() != held {
		t.Fatalf("take %q and %q: held is %v, want %v", agentID, machine, claim.Held(), held)
	}
	return claim
}

// Keep keeps a claim.
func Keep(t testing.TB, claim tofu.Claim) {
	t.Helper()
	if err := claim.Keep(t.Context(), netip.Addr{}); err != nil {
		t.Fatalf("keep: %v", err)
	}
}

func release(t *testing.T, claim tofu.Claim) {
	t.Helper()
	if err := claim.Release(t.Context()); err != nil {
		t.Fatalf("release: %v", err)
	}
}
