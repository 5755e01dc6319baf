package replay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what to replay with.
type Options struct {
	Candidate Policy

	// Against is what the candidate is compared with; nil for what was recorded.
	Against *Policy

	// Config is data.gatehouse.config of decisions that the log has none of; nil to
	// pass over them.
	Config map[string]any

	// Entries are registration entries that changes may affect; nil for none.
	Entries *Entries

	// Coverage also finds out what of the candidate the decisions exercise. It takes
	// several times as long.
	Coverage bool

	// Samples is how many changed decisions of a group are reported; 0 for 20.
	Samples int

	// Workers is how many decisions are taken at a time; 0 for one a processor.
	Workers int

	// Now measures how long policy takes. Nil means time.Now.
	Now func() time.Time

	// Read counts the bytes read of logs, as they are stored, while Run runs; it may
	// be nil.
	Read *atomic.Int64
}

// complete checks options, and fills in what is not given.
func (o *Options) complete() error {
	if o.Samples < 0 || o.Samples > MaxSamples {
		return fmt.Errorf("replay: %d samples are not between 1 and %d", o.Samples, MaxSamples)
	}
	if o.Samples == 0 {
		o.Samples = defaultSamples
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Read == nil {
		o.Read = new(atomic.Int64)
	}
	return nil
}

// ErrNothing is the error of a log of which no decision could be replayed.
var ErrNothing = errors.New("no decision could be replayed")

// GCPercent is for a process that replays and does nothing else. What there is in
// memory is thrown away after each decision: to collect it rarely saves time, and
// the memory is not much.
const GCPercent = 800

// Run replays logs, one after the other. With ErrNothing there is a report too,
// which says why. Any other error means that the candidate, or what it is compared
// with, does not load for any decision or does not come to an end, that a log can't be
// opened, or that ctx ended.
func Run(ctx context.Context, logs []Log, o Options) (*Report, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w := newWork(o, stop)
	t := newTally(o)

	todo := make(chan *batch)
	inOrder := make(chan *batch, 2*o.Workers)
	var workers sync.WaitGroup
	for range o.Workers {
		workers.Go(func() {
			for b := range todo {
				b.results = w.judgeAll(ctx, b.file, b.lines)
				close(b.done)
			}
		})
	}
	go func() {
		defer close(inOrder)
		defer close(todo)
		if err := readAll(ctx, logs, o.Read, inOrder, todo); err != nil {
			stop(err)
		}
	}()
	for b := range inOrder {
		select {
		case <-b.done:
			t.addAll(b)
		case <-ctx.Done():
		}
	}
	workers.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("replay: %w", context.Cause(ctx))
	}
	if t.log.Replayed == 0 && w.loadErr != nil {
		return nil, fmt.Errorf("replay: %w", w.loadErr)
	}
	report, err := t.report(ctx, len(logs))
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if w.coverage != nil {
		report.Coverage = w.coverage.report()
	}
	if t.log.Replayed == 0 {
		return report, fmt.Errorf("replay: %w", ErrNothing)
	}
	return report, nil
}
