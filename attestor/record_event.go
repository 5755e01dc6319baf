package attestor

import (
	"cmp"
	"slices"
	"sync"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// outcomeAttested is the outcome that is no refusal's class.
const outcomeAttested = "attested"

// event is what the decision log has of the attestation; r is nil if the node was
// let in. The writing is the log's business, when nobody waits for it.
func (rec *record) event(r *refusal) *decisionlog.Event {
	e := &decisionlog.Event{
		DecisionID: rec.decisionID,
		Time:       rec.started,
		PeerIP:     rec.peerIP,
		Asked:      rec.asked,
		Took:       rec.took,
		Outcome: decisionlog.Outcome{
			Outcome:    rec.outcome(r),
			Rules:      rec.ownRules(r),
			Node:       rec.identity,
			AgentID:    rec.agentID,
			FactErrors: cutAll(rec.factErrors),
			Payload:    rec.payload,
		},
	}
	if s := rec.snapshot; s != nil {
		e.Engine, e.Config, e.Bundles = s.engine, s.policyConfig, s.bundles
	}
	if r != nil {
		e.Outcome.Error = cutReason(r.Error())
	}
	rec.clouds.report(&e.Outcome)
	return e
}

// outcome is what came of the attestation, in one word.
func (rec *record) outcome(r *refusal) string {
	if r == nil {
		return outcomeAttested
	}
	return r.class.name
}

// ownRules are the rules by which the shell itself refused.
func (rec *record) ownRules(r *refusal) []rego.Fired {
	if r == nil || rec.asked.Answered() {
		return nil
	}
	var all []rego.Fired
	for _, name := range r.rules() {
		all = append(all, rego.Fired{Rule: name, Effect: rego.EffectDenied})
	}
	return all
}

// fired are all rules that fired, the policy's and the shell's.
func (rec *record) fired(r *refusal) []rego.Fired {
	return append(rec.ownRules(r), rec.asked.Fired()...)
}

func cutAll(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, cut(text, maxLoggedError))
	}
	return all
}

// listener hears of an attestation's cloud calls and cache lookups. Calls go on
// that others wait for too, so that it may hear of more than it has reported; the
// meter hears of all.
type listener struct {
	meter meter

	mu      sync.Mutex
	calls   []decisionlog.Call
	omitted int
	lookups map[lookup]decisionlog.Lookup
}

type lookup struct {
	cache  string
	result evidence.LookupResult
}

var _ evidence.Observer = (*listener)(nil)

// Called implements evidence.Observer.
func (l *listener) Called(call evidence.Call) {
	l.meter.Called(call)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) == maxLoggedCalls {
		l.omitted++
		return
	}
	made := decisionlog.Call{API: call.API, Elapsed: call.Elapsed, Throttled: call.Throttled}
	if call.Err != nil {
		made.Error = cut(call.Err.Error(), maxLoggedError)
	}
	l.calls = append(l.calls, made)
}

// Looked implements evidence.Observer.
func (l *listener) Looked(asked evidence.Lookup) {
	l.meter.Looked(asked)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := lookup{asked.Cache, asked.Result}
	sum, there := l.lookups[key]
	switch {
	case !there && len(l.lookups) == maxLoggedLookups:
		return
	case l.lookups == nil:
		l.lookups = map[lookup]decisionlog.Lookup{}
	}
	l.lookups[key] = decisionlog.Lookup{
		Cache:  asked.Cache,
		Result: string(asked.Result),
		Count:  sum.Count + 1,
		Age:    max(sum.Age, asked.Age),
	}
}

// report tells what was heard so far: calls as they ended, lookups by name.
func (l *listener) report(o *decisionlog.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.Calls, o.CallsOmitted = slices.Clone(l.calls), l.omitted
	for _, sum := range l.lookups {
		o.Lookups = append(o.Lookups, sum)
	}
	slices.SortFunc(o.Lookups, func(a, b decisionlog.Lookup) int {
		return cmp.Or(cmp.Compare(a.Cache, b.Cache), cmp.Compare(a.Result, b.Result))
	})
}
