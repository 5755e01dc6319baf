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
	policyReplaces    = "Policy replaces files of the baseline: what those refuse, only the policy's own rules refuse now"

	shadowTookOver    = "Shadow policy revision took over"
	shadowRefused     = "Shadow policy change refused; the last good revision goes on"
	shadowGoodAgain   = "Shadow policy source is good again: it holds the revision that goes on"
	shadowUnavailable = "Shadow policy bundle could not be taken; the last good revision goes on"
)

// A policyRole is what a policy is for, and how that is told of.
type policyRole struct {
	block                                     string // of plugin_data
	tookOver, refused, goodAgain, unavailable string
}

var (
	enforcingRole = policyRole{policyBlock, policyTookOver, policyRefused, policyGoodAgain, policyUnavailable}
	shadowRole    = policyRole{shadowBlock, shadowTookOver, shadowRefused, shadowGoodAgain, shadowUnavailable}
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
	role   policyRole
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

// beginning says that nobody follows yet: whoever opens the feed tells of problems.
func (f *policyFollower) beginning() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.swap == nil && f.current.engine == nil
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
	fields := []any{"policy_revision", next.name(), "previous_policy_revision", previous.name()}
	fields = append(fields, next.logFields()...)
	f.log.Info(f.role.tookOver, append(fields, "elapsed", time.Since(noticed).String())...)
	return true
}

// name is the revision's; empty for none, which a shadow policy may begin with.
func (r policyRevision) name() string {
	if r.engine == nil {
		return ""
	}
	return r.engine.Revision()
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
		f.log.Info(f.role.goodAgain, "policy_revision", f.inForce().name())
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
	fields := append(slices.Clone(source), "policy_revision", f.inForce().name())
	f.logEach(f.role.refused, problems, fields...)
}

// logEach logs a line for each problem.
func (f *policyFollower) logEach(message string, problems []string, fields ...any) {
	for i, problem := range problems {
		if i == maxLoggedProblems {
			f.log.Error("Policy has more problems than are logged", append([]any{"not_logged", len(problems) - i}, fields...)...)
			break
		}
		f.log.Error(message, append([]any{"problem", oneLine(problem)}, fields...)...)
	}
}

// oneLine makes one line of a compiler's message, and a bounded one.
func oneLine(text string) string {
	return cutReason(strings.Join(strings.Fields(text), " "))
}
