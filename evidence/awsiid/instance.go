package awsiid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
	"github.com/spire-gatehouse/gatehouse/internal/sleep"
)

// findInstance gets what the fact "instance" says. EC2 may not know an instance
// that was just launched everywhere yet, so that for a young one it is asked again
// before it is absent.
func (e *Evidence) findInstance(ctx context.Context) (Instance, error) {
	for _, wait := range absentPauses() {
		instance, err := e.describe(ctx)
		if !errors.Is(err, errAbsent) || e.collector.now().Sub(e.claims.PendingTime) >= youngInstance {
			return instance, err
		}
		if !pause(ctx, wait) {
			return Instance{}, errAbsent
		}
	}
	return e.describe(ctx)
}

// pause waits, and reports whether ctx leaves time for that.
func pause(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	return sleep.For(ctx, wait) == nil
}

// describe asks for the instance, together with those that are asked for at the
// same time in its account and region.
func (e *Evidence) describe(ctx context.Context) (Instance, error) {
	id := e.claims.InstanceID
	found, err := e.collector.instances.Get(ctx, e.scope.asked(), id)
	switch {
	case errors.Is(err, batch.ErrNone), errors.Is(err, errAbsent):
		return Instance{}, errAbsent
	case err == nil && found.owner != "" && found.owner != e.scope.AccountID:
		err = fmt.Errorf("the answer is about an instance of another account, %.64q", found.owner)
	}
	if err != nil {
		return Instance{}, failed("ec2:DescribeInstances", id, e.scope, err)
	}
	return found.Instance, nil
}
