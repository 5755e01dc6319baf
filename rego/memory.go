package rego

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"
)

// memoryInterval is how often memory is looked at while a policy is tried. What
// doubles a text again and again needs longer than that for a hundred megabytes.
const memoryInterval = 2 * time.Millisecond

// BoundMemory ends the context it returns if the process comes to hold much more memory
// than now. OPA bounds no evaluation's memory, and a process that runs out of it takes
// every attestation with it: so what grows without end on a sample or in a test never
// takes over, nor does what nobody waits for harm those that somebody does. The cause
// says so. The caller must call stop.
func BoundMemory(ctx context.Context) (limited context.Context, stop func()) {
	return boundHeap(ctx, heap, runtime.GC)
}

// boundHeap does what BoundMemory does. heap says what the process takes, in bytes, and
// collect has it give back what it doesn't hold any more: a process of many megabytes
// takes as many again before it does so by itself.
func boundHeap(ctx context.Context, heap func() uint64, collect func()) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	go func() {
		ticker := time.NewTicker(memoryInterval)
		defer ticker.Stop()
		least, held := heap(), uint64(0)
		now := least
		grown := func() bool {
			now = heap()
			least = min(least, now)
			return now-least > maxTrialBytes
		}
		for {
			select {
			case <-limited.Done():
				return
			case <-ticker.C:
			}
			// Near the bound a little garbage exceeds it; it isn't collected each time.
			if !grown() || now < held+maxTrialBytes/8 {
				continue
			}
			if collect(); grown() {
				cancel(fmt.Errorf("took more than %d MiB of memory", maxTrialBytes>>20))
				return
			}
			held = now
		}
	}()
	return limited, func() { cancel(nil) }
}

// heap is how much is on the heap, in bytes, with what was not collected yet.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
