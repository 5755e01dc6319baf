package bench

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/sleep"
)

// attempt is one attestation of the node whose payload this is.
type attempt func(ctx context.Context, node int, payload []byte) error

// attemptTimeout is how long an agent waits for its server.
const attemptTimeout = time.Minute

// storm has nodes attest, so many at once. Those that fail come again after a
// while, as agents do that are started anew, and hold no other up meanwhile.
type storm struct {
	atOnce   int
	retry    time.Duration // 0: nobody comes again
	patience time.Duration // after which it is broken off; 0 for never
}

// tally is what became of a storm.
type tally struct {
	attested int
	failed   int // attempts
	wall     time.Duration
	took     []time.Duration // sorted: of each node, from its first attempt until it is in
	last     error           // of a failed attempt

	brokenOff bool // before all were in or had failed for good
}

// run returns when all nodes are in or have failed for good, its patience is at an
// end, or ctx is over.
func (s storm) run(ctx context.Context, payloads [][]byte, try attempt) (tally, error) {
	outer := ctx
	if s.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.patience)
		defer cancel()
	}
	var (
		mu    sync.Mutex
		sum   tally
		nodes sync.WaitGroup
	)
	turns := make(chan struct{}, s.atOnce)
	began := time.Now()
	for i, payload := range payloads {
		nodes.Go(func() {
			var first time.Time
			for ctx.Err() == nil {
				select {
				case turns <- struct{}{}:
				case <-ctx.Done():
					return
				}
				if first.IsZero() {
					first = time.Now()
				}
				limited, cancel := context.WithTimeout(ctx, attemptTimeout)
				err := try(limited, i, payload)
				cancel()
				<-turns
				mu.Lock()
				if err == nil {
					sum.attested++
					sum.took = append(sum.took, time.Since(first))
					mu.Unlock()
					return
				}
				if ctx.Err() == nil { // otherwise it was broken off
					sum.failed++
					sum.last = err
				}
				mu.Unlock()
				if s.retry == 0 {
					return
				}
				_ = sleep.For(ctx, s.retry)
			}
		})
	}
	nodes.Wait()
	sum.wall = time.Since(began)
	sum.brokenOff = ctx.Err() != nil
	slices.Sort(sum.took)
	return sum, outer.Err()
}

// quantile is the time within which that part of sorted times lies; 0 of none.
func quantile(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}
