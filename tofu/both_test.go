package tofu_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/tofu"
	"github.com/spire-gatehouse/gatehouse/tofu/tofutest"
)

func TestBoth(t *testing.T) {
	tofutest.Contract(t, func(*testing.T) tofu.Claims {
		return tofu.Both(tofu.NewMemory(nil).Claims(time.Minute), tofu.NewMemory(nil).Claims(time.Minute))
	})
}

// Whoever holds only one of them keeps others out of both, and lets go of both.
func TestBothMeansBoth(t *testing.T) {
	near, far := tofu.NewMemory(nil).Claims(time.Minute), tofu.NewMemory(nil).Claims(time.Minute)
	c := tofu.Both(near, far)
	for name, one := range map[string]tofu.Claims{"near": near, "far": far} {
		t.Run(name, func(t *testing.T) {
			alone := tofutest.Take(t, one, true, "agent", "machine")
			refused := tofutest.Take(t, c, false, "agent", "machine")
			if err := refused.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if err := alone.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if err := tofutest.Take(t, c, true, "agent", "machine").Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A far that is down is no reason to hold anything near, nor to accept.
func TestBothWithFarDown(t *testing.T) {
	near := tofu.NewMemory(nil).Claims(time.Minute)
	down := &failing{take: errDown}
	c := tofu.Both(near, down)
	if claim, err := c.Take(t.Context(), tofu.Node{AgentID: "agent", Machine: "machine"}); !errors.Is(err, errDown) || claim != nil {
		t.Errorf("take: got %v, %v", claim, err)
	}
	*down = failing{keep: errDown, first: tofu.First{AgentID: "first"}}
	claim := tofutest.Take(t, c, true, "agent", "machine")
	if first := claim.First(); first == nil || first.AgentID != "first" {
		t.Errorf("the first use is %v", first)
	}
	if err := claim.Keep(t.Context(), netip.Addr{}); !errors.Is(err, errDown) {
		t.Errorf("keep: got %v", err)
	}
	if err := claim.Release(t.Context()); err != nil {
		t.Error(err)
	}
	tofutest.Take(t, near, true, "agent", "machine")
}

var errDown = errors.New("down")

type failing struct {
	take, keep error
	first      tofu.First
}

func (f *failing) Take(context.Context, tofu.Node) (tofu.Claim, error) {
	if f.take != nil {
		return nil, f.take
	}
	return f, nil
}

func (f *failing) Look(ctx context.Context, node tofu.Node) (tofu.Claim, error) {
	return f.Take(ctx, node)
}

func (f *failing) Held() bool                             { return true }
func (f *failing) First() *tofu.First                     { return &f.first }
func (f *failing) Keep(context.Context, netip.Addr) error { return f.keep }
func (f *failing) Release(context.Context) error          { return nil }
