package rego

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"
)

// BoundMemory ends the context it returns if the process takes much more memory
// than now: for evaluations that nobody waits for, which may not harm those that
// somebody does. Its cause says so. The caller must call stop.
func BoundMemory(ctx context.Context) (limited context.Context, stop func()) { return boundMemory(ctx) }

// memoryInterval is how often memory is looked at while a policy is tried. What
// doubles a text again and again needs longer than that for a hundred megabytes.
const memoryInterval = 2 * time.Millisecond

// boundMemory ends the context it returns if the process takes much more memory
// than now. OPA bounds no evaluation's memory, and a process that runs out of it
// takes every attestation with it; so at least what grows without end on a sample
// or in a test never takes over. The caller must call stop.
func boundMemory(ctx context.Context) (limited context.Context, stop func()) {
	return boundHeap(ctx, heap)
}

// boundHeap does what boundMemory does. heap says what the process takes, in bytes.
func boundHeap(ctx context.Context, heap func() uint64) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	go func() {
		ticker := time.NewTicker(memoryInterval)
		defer ticker.Stop()
		for least := heap(); ; {
			select {
			case <-limited.Done():
				return
			case <-ticker.C:
			}
			now := heap()
			least = min(least, now)
			if now-least > maxTrialBytes {
				cancel(fmt.Errorf("took more than %d MiB of memory", maxTrialBytes>>20))
				return
			}
		}
	}()
	return limited, func() { cancel(nil) }
}

// heap is how much is on the heap, in bytes.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
