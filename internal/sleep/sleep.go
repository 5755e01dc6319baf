// Package sleep has a sleep that a context ends.
package sleep

import (
	"context"
	"time"
)

// For sleeps for so long, or until ctx ends: then it returns why that did.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
