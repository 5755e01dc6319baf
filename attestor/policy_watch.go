package attestor

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/attestor/dirwatch"
)

// How patiently a directory of policies is watched: an edit is in force within
// two seconds, the time to load it included.
const (
	policyQuiet = 200 * time.Millisecond
	policyMost  = time.Second
	policyPoll  = 30 * time.Second
)

// The messages that operators look for.
const (
	policyTookOver  = "Policy revision took over"
	policyRefused   = "Policy change refused; the last good revision stays in force"
	policyGoodAgain = "Policy directory is good again: it holds the revision that is in force"
)

// maxLoggedProblems bounds the log lines of one bad revision.
const maxLoggedProblems = 50

// policyWatch keeps the policy of one configuration up to date. It only goes on
// from what it put in force itself: once SPIRE has configured the plugin anew, the
// watch is stopped, and what it was loading then is dropped.
type policyWatch struct {
	loader policyLoader
	log    hclog.Logger
	cancel context.CancelFunc
	ended  chan struct{}

	// swap puts a revision in force, unless ctx has ended.
	swap func(ctx context.Context, next policyRevision) bool

	// These belong to the watch's own goroutine.
	current  policyRevision
	bad      string // the problems of the last try; empty if it was good
	watching string // the last problem of watching
}

// watchPolicy starts to watch, from a revision that is in force; stop ends it.
func watchPolicy(loader policyLoader, current policyRevision, log hclog.Logger, swap func(context.Context, policyRevision) bool) (*policyWatch, error) {
	dir, err := loader.directory()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &policyWatch{loader: loader, log: log, cancel: cancel, ended: make(chan struct{}), swap: swap, current: current}
	go func() {
		defer close(w.ended)
		dirwatch.Run(ctx, dirwatch.Options{
			Dir: dir, Quiet: policyQuiet, Most: policyMost, Poll: policyPoll,
			Changed: func(noticed time.Time) { w.check(ctx, noticed) },
			Problem: w.unwatched,
		})
	}()
	return w, nil
}

// stop ends the watch, from which moment it changes nothing, and returns a wait
// for the end of its goroutine.
func (w *policyWatch) stop() (wait func()) {
	if w == nil {
		return func() {}
	}
	w.cancel()
	return func() { <-w.ended }
}

// check loads what is in the directory if it is not what is in force, or tries
// again what was bad, which may have been for lack of time.
func (w *policyWatch) check(ctx context.Context, noticed time.Time) {
	digest, err := w.loader.digest()
	if err == nil && digest == w.current.digest {
		if w.bad != "" {
			w.bad = ""
			w.log.Info(policyGoodAgain, "policy_revision", w.current.engine.Revision())
		}
		return
	}
	next, err := w.loader.load(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.refused(messages(err))
		return
	}
	if !w.swap(ctx, next) {
		return
	}
	previous := w.current
	w.current, w.bad = next, ""
	w.log.Info(policyTookOver, "policy_revision", next.engine.Revision(),
		"previous_policy_revision", previous.engine.Revision(), "elapsed", time.Since(noticed).String())
}

// refused logs a line for each problem, the same ones only once.
func (w *policyWatch) refused(problems []string) {
	all := strings.Join(problems, "\n")
	if all == w.bad {
		return
	}
	w.bad = all
	for i, problem := range problems {
		fields := []any{"problem", oneLine(problem), "directory", w.loader.source.Directory, "policy_revision", w.current.engine.Revision()}
		if i == maxLoggedProblems {
			w.log.Error("Policy change refused, for more reasons than are logged", fields[2:]...)
			break
		}
		w.log.Error(policyRefused, fields...)
	}
}

func (w *policyWatch) unwatched(err error) {
	if err.Error() == w.watching {
		return
	}
	w.watching = err.Error()
	w.log.Warn("Policy directory can't be watched; it is looked at from time to time instead", "every", policyPoll.String(), "error", err)
}

// oneLine makes one line of a compiler's message, and a bounded one.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxLoggedReason {
		text = text[:maxLoggedReason] + "… (cut)"
	}
	return text
}
