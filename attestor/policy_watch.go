package attestor

import (
	"context"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/dirwatch"
)

// How patiently a directory of policies is watched: an edit is in force within
// two seconds, the time to load it included.
const (
	policyQuiet = 200 * time.Millisecond
	policyMost  = time.Second
	policyPoll  = 30 * time.Second
)

// policyWatch is the feed of a directory.
type policyWatch struct {
	*policyFollower
	dir    string
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{} // closed with the goroutine; nil until there is one

	watching string // the last problem of watching; the goroutine's own
}

// openDirectory loads what is in the directory now.
func openDirectory(ctx context.Context, f *policyFollower) (policyFeed, error) {
	w, err := newWatch(f)
	if err != nil {
		return nil, err
	}
	if f.current, err = f.loader.load(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// newWatch is the feed of a directory that has not been loaded yet: the watch will.
func newWatch(f *policyFollower) (*policyWatch, error) {
	dir, err := f.loader.directory()
	if err != nil {
		return nil, err
	}
	w := &policyWatch{policyFollower: f, dir: dir}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w, nil
}

// follow starts to watch.
func (w *policyWatch) follow(swap func(context.Context, policyRevision) bool) policyRevision {
	w.ended = make(chan struct{})
	current := w.policyFollower.follow(swap)
	go func() {
		defer close(w.ended)
		dirwatch.Run(w.ctx, dirwatch.Options{
			Dir: w.dir, Quiet: policyQuiet, Most: policyMost, Poll: policyPoll,
			Changed: w.check,
			Problem: w.unwatched,
		})
	}()
	return current
}

func (w *policyWatch) stop() (wait func()) {
	w.cancel()
	return func() {
		if w.ended != nil {
			<-w.ended
		}
	}
}

// check loads what is in the directory if it is not what is in force, or tries
// again what was bad, which may have been for lack of time.
func (w *policyWatch) check(noticed time.Time) {
	digest, err := w.loader.digest()
	if err == nil && digest == w.inForce().digest {
		w.good()
		return
	}
	next, err := w.loader.load(w.ctx)
	switch {
	case w.ctx.Err() != nil:
	case err != nil:
		w.refused(messages(err), "directory", w.loader.source.Directory)
	case next.digest == w.inForce().digest: // what was bad was undone while it was loaded
		w.good()
	default:
		w.takeOver(w.ctx, next, noticed)
	}
}

func (w *policyWatch) unwatched(err error) {
	if err.Error() == w.watching {
		return
	}
	w.watching = err.Error()
	w.log.Warn("Policy directory can't be watched; it is looked at from time to time instead", "every", policyPoll.String(), "error", err)
}
