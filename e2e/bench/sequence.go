package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A Sequence has two attestors in one process judge one node after the other, and
// either first in turn: what else the machine does hits both.
type Sequence struct {
	Jobs   [2]Job
	Blocks int // into which the nodes are divided, to show the noise
}

// Latencies are what a Sequence measures, of the first job and of the second.
type Latencies struct {
	P50, P99 [2]time.Duration

	// Ratio is that of the medians, the first's to the second's; Lowest and
	// Highest that of the block where it is.
	Ratio, Lowest, Highest float64
}

// warmUp is how many nodes nobody counts.
const warmUp = 50

// Run does the sequence in this process.
func (s Sequence) Run(ctx context.Context, ready func()) (Latencies, error) {
	var both [2]*contender
	var payloads [2][][]byte
	for i, job := range s.Jobs {
		var err error
		if payloads[i], err = job.payloads(); err != nil {
			return Latencies{}, err
		}
		if both[i], err = job.load(ctx); err != nil {
			return Latencies{}, err
		}
		defer both[i].Close()
	}
	if ready != nil {
		ready()
	}
	var all [2][]time.Duration
	for n := range min(len(payloads[0]), len(payloads[1])) {
		for turn := range both {
			which := (n + turn) % len(both)
			began := time.Now()
			if err := both[which].attest(ctx, n, payloads[which][n]); err != nil {
				return Latencies{}, fmt.Errorf("bench: node %d: %w", n, err)
			}
			if n >= warmUp {
				all[which] = append(all[which], time.Since(began))
			}
		}
	}
	return compare(all, s.Blocks), nil
}

// compare has the latencies of both, and their ratio in blocks.
func compare(all [2][]time.Duration, blocks int) (sum Latencies) {
	size := len(all[0]) / blocks
	for block := range blocks {
		var medians [2]time.Duration
		for i, took := range all {
			medians[i] = quantile(slices.Sorted(slices.Values(took[block*size:(block+1)*size])), 0.5)
		}
		ratio := float64(medians[0]) / float64(medians[1])
		if block == 0 {
			sum.Lowest = ratio
		}
		sum.Lowest, sum.Highest = min(sum.Lowest, ratio), max(sum.Highest, ratio)
	}
	for i := range all {
		slices.Sort(all[i])
		sum.P50[i], sum.P99[i] = quantile(all[i], 0.5), quantile(all[i], 0.99)
	}
	sum.Ratio = float64(sum.P50[0]) / float64(sum.P50[1])
	return sum
}
