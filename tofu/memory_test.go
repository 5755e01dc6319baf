package tofu_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/tofu"
	"github.com/spire-gatehouse/gatehouse/tofu/tofutest"
)

func TestMemory(t *testing.T) {
	tofutest.Contract(t, func(*testing.T) tofu.Claims { return tofu.NewMemory(nil).Claims(time.Minute) })
}

func TestMemoryRunsOut(t *testing.T) {
	const ttl = 30 * time.Second
	for name, test := range map[string]func(t *testing.T, m *tofu.Memory){
		"held while an attestation runs, however long": func(t *testing.T, m *tofu.Memory) {
			tofutest.Take(t, m.Claims(ttl), true, "agent", "machine")
			time.Sleep(time.Hour)
			tofutest.Take(t, m.Claims(ttl), false, "agent", "machine")
		},
		"kept for a while after an accept": func(t *testing.T, m *tofu.Memory) {
			c := m.Claims(ttl)
			tofutest.Keep(t, tofutest.Take(t, c, true, "agent", "machine"))
			time.Sleep(ttl - time.Nanosecond)
			tofutest.Take(t, c, false, "other agent", "machine")
			time.Sleep(time.Nanosecond)
			tofutest.Take(t, c, true, "agent", "machine")
		},
		"a shorter time holds no longer than it says": func(t *testing.T, m *tofu.Memory) {
			tofutest.Keep(t, tofutest.Take(t, m.Claims(time.Hour), true, "agent 1", "machine 1"))
			c := m.Claims(ttl)
			tofutest.Keep(t, tofutest.Take(t, c, true, "agent 2", "machine 2"))
			time.Sleep(ttl)
			tofutest.Keep(t, tofutest.Take(t, c, true, "agent 2", "machine 2"))
			tofutest.Take(t, c, false, "agent 1", "machine 1")
			// The first claim of machine 2 goes when that of machine 1 does, and
			// leaves the second alone.
			time.Sleep(time.Hour - ttl - time.Second)
			tofutest.Keep(t, tofutest.Take(t, c, true, "agent 2", "machine 2"))
			time.Sleep(time.Second)
			tofutest.Take(t, c, true, "agent 1", "machine 1")
			tofutest.Take(t, c, false, "agent 2", "machine 2")
		},
		"a claim under way holds against another time's": func(t *testing.T, m *tofu.Memory) {
			claim := tofutest.Take(t, m.Claims(time.Hour), true, "agent", "machine")
			tofutest.Take(t, m.Claims(ttl), false, "agent", "machine")
			tofutest.Keep(t, claim)
			time.Sleep(time.Hour - time.Nanosecond)
			tofutest.Take(t, m.Claims(ttl), false, "agent", "machine")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, tofu.NewMemory(nil)) })
		})
	}
}
