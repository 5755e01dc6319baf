package attestor

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// The messages that operators look for.
const (
	policyTookOver    = "Policy revision took over"
	policyRefused     = "Policy change refused; the last good revision stays in force"
	policyGoodAgain   = "Policy source is good again: it holds the revision that is in force"
	policyUnavailable = "Policy bundle could not be taken; the last good revision stays in force"
)

// A policyFeed keeps the policy of one configuration up to date: a directory that
// is watched, or bundles that are fetched.
type policyFeed interface {
	// follow returns the revision to begin with, and from then on has swap put new
	// ones in force. swap says whether it did.
	follow(swap func(ctx context.Context, next policyRevision) bool) policyRevision

	// stop ends the feed, from which moment it changes nothing, and returns a wait
	// for the end of its goroutines. They may be waiting for swap.
	stop() (wait func())
}

// policyEvents hears what became of new revisions, for metrics. It is called by
// several goroutines.
type policyEvents interface {
	policyTookOver()
	policyRefused()     // it could be had, and may not take over
	policyUnavailable() // a bundle could not be had, or is not what was signed
}

// policyFollower puts new revisions in force, or says why not. It only goes on from
// what it put in force itself: once SPIRE has configured the plugin anew, its feed
// is stopped, and what was being loaded then is dropped.
type policyFollower struct {
	loader policyLoader
	log    hclog.Logger
	events policyEvents

	// mu guards what follow sets while a feed is at work.
	mu      sync.Mutex
	swap    func(ctx context.Context, next policyRevision) bool // nil until follow
	current policyRevision

	// These belong to the feed, which offers one revision at a time.
	bad string // the problems of the last try; empty if it was good
}

func (f *policyFollower) follow(swap func(context.Context, policyRevision) bool) policyRevision {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.swap = swap
	return f.current
}

func (f *policyFollower) inForce() policyRevision {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// takeOver puts a revision in force. Before follow there is none to replace: next
// is what will be begun with.
func (f *policyFollower) takeOver(ctx context.Context, next policyRevision, noticed time.Time) (done bool) {
	f.mu.Lock()
	previous, swap := f.current, f.swap
	if swap == nil {
		f.current = next
	}
	f.mu.Unlock()
	if swap == nil {
		return true
	}
	// Not with mu held: swap may wait for a Configure that waits for follow.
	if !swap(ctx, next) {
		return false
	}
	f.mu.Lock()
	f.current = next
	f.mu.Unlock()
	f.bad = ""
	f.events.policyTookOver()
	fields := []any{"policy_revision", next.engine.Revision(), "previous_policy_revision", previous.engine.Revision()}
	fields = append(fields, next.logFields()...)
	f.log.Info(policyTookOver, append(fields, "elapsed", time.Since(noticed).String())...)
	return true
}

// logFields say which bundles a revision is made of.
func (r policyRevision) logFields() []any {
	if len(r.bundles) == 0 {
		return nil
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(r.bundles)) {
		all = append(all, name+"="+oneLine(r.bundles[name]))
	}
	return []any{"bundle_revisions", strings.Join(all, " ")}
}

// good notes that the source holds what is in force.
func (f *policyFollower) good() {
	if f.bad != "" {
		f.bad = ""
		f.log.Info(policyGoodAgain, "policy_revision", f.inForce().engine.Revision())
	}
}

// refused logs a line for each problem, the same ones only once.
func (f *policyFollower) refused(problems []string, source ...any) {
	all := strings.Join(problems, "\n")
	if all == f.bad {
		return
	}
	f.bad = all
	f.events.policyRefused()
	fields := append(slices.Clone(source), "policy_revision", f.inForce().engine.Revision())
	for i, problem := range problems {
		if i == maxLoggedProblems {
			f.log.Error("Policy change refused, for more reasons than are logged", fields...)
			break
		}
		f.log.Error(policyRefused, append([]any{"problem", oneLine(problem)}, fields...)...)
	}
}

// oneLine makes one line of a compiler's message, and a bounded one.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxLoggedReason {
		text = text[:maxLoggedReason] + "… (cut)"
	}
	return text
}
