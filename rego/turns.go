package rego

import (
	"context"
	"runtime"
)

// turns are for those who evaluate. An evaluation has little time, which would pass
// for each of a thousand nodes that come together while the others are evaluated for:
// beyond a few a processor they wait, and their time begins when it is their turn.
type turns chan struct{}

func newTurns() turns { return make(turns, evaluationsPerProcessor*runtime.GOMAXPROCS(0)) }

// take waits for a turn, which is to be given back, or for the end of ctx.
func (t turns) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) giveBack() { <-t }
