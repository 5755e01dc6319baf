package tofu

import (
	"context"
	"errors"
	"net/netip"
)

// Both returns claims that are held at near and at far, or not held. With a
// process's own Memory as near, attestations in one process exclude each other
// even while it changes from one far to another.
func Both(near, far Claims) Claims { return both{near, far} }

type both struct{ near, far Claims }

// Take implements Claims. Who doesn't hold near takes nothing at far, or two could
// hold one each, and neither both.
func (b both) Take(ctx context.Context, node Node) (Claim, error) {
	near, err := b.near.Take(ctx, node)
	if err != nil {
		return nil, err
	}
	take := b.far.Take
	if !near.Held() {
		take = b.far.Look
	}
	far, err := take(ctx, node)
	if err != nil {
		return nil, errors.Join(err, near.Release(ctx))
	}
	if !far.Held() {
		if err := near.Release(ctx); err != nil {
			return nil, err
		}
	}
	return bothClaim{near, far}, nil
}

// Look implements Claims.
func (b both) Look(ctx context.Context, node Node) (Claim, error) {
	near, err := b.near.Look(ctx, node)
	if err != nil {
		return nil, err
	}
	far, err := b.far.Look(ctx, node)
	if err != nil {
		return nil, err
	}
	return bothClaim{near, far}, nil
}

type bothClaim struct{ near, far Claim }

func (c bothClaim) Held() bool { return c.near.Held() && c.far.Held() }

func (c bothClaim) First() *First {
	if first := c.far.First(); first != nil {
		return first
	}
	return c.near.First()
}

func (c bothClaim) Keep(ctx context.Context, peer netip.Addr) error {
	if err := c.far.Keep(ctx, peer); err != nil {
		return err
	}
	return c.near.Keep(ctx, peer)
}

func (c bothClaim) Release(ctx context.Context) error {
	return errors.Join(c.far.Release(ctx), c.near.Release(ctx))
}
