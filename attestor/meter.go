package attestor

import (
	"fmt"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/attestor/telemetry"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// meter turns what happens into figures. The zero value counts nothing.
type meter struct{ *telemetry.Recorder }

var _ evidence.Observer = meter{}

// attested counts what came of an attestation.
func (m meter) attested(rec *record, r *refusal) {
	m.Count(telemetry.Attestations, 1, rec.outcome(r))
	for _, fired := range rec.fired(r) {
		m.Count(telemetry.Rules, 1, rec.snapshot.knownRule(fired.Rule), fired.Effect)
	}
	for step, took := range rec.took {
		m.Observe(telemetry.StepTime, telemetry.Milliseconds(took), step)
	}
	for _, result := range rec.claims {
		m.Count(telemetry.Claims, 1, result)
	}
}

// knownRule is a rule's name if the policy's text has it. One that only comes out
// of an evaluation may be made of what a node says.
func (s *snapshot) knownRule(name string) string {
	if s != nil && s.ruleNames[name] {
		return name
	}
	return telemetry.Other
}

func ruleNames(rules []rego.Rule) map[string]bool {
	names := map[string]bool{agentpath.Rule: true} // the shell's own
	for _, rule := range rules {
		names[rule.Name] = true
	}
	return names
}

// Called implements evidence.Observer.
func (m meter) Called(call evidence.Call) {
	result := "ok"
	if call.Err != nil {
		result = "error"
	}
	m.Count(telemetry.CloudCalls, 1, call.API, result)
	m.Count(telemetry.CloudThrottles, call.Throttled, call.API)
	m.Observe(telemetry.CloudTime, telemetry.Milliseconds(call.Elapsed), call.API)
}

// Looked implements evidence.Observer.
func (m meter) Looked(lookup evidence.Lookup) {
	m.Count(telemetry.CacheLookups, 1, lookup.Cache, string(lookup.Result))
	switch lookup.Result {
	case evidence.LookupHit, evidence.LookupStale:
		m.Observe(telemetry.CacheAge, lookup.Age.Seconds(), lookup.Cache)
	}
}

// inForce tells of the revision that is in force from now on.
func (m meter) inForce(policy string, before, now *rego.Engine) {
	switch {
	case before == nil:
	case before.Revision() == now.Revision():
		return
	default:
		m.Set(telemetry.PolicyInfo, 0, policy, shortRevision(before))
	}
	m.Set(telemetry.PolicyInfo, 1, policy, shortRevision(now))
	m.SetSince(telemetry.PolicyAge, time.Now(), policy)
}

// ended tells that a policy is in force no longer, and that there is no other.
func (m meter) ended(policy string, engine *rego.Engine) {
	if engine != nil {
		m.Set(telemetry.PolicyInfo, 0, policy, shortRevision(engine))
	}
	m.End(telemetry.PolicyAge, policy)
}

func shortRevision(engine *rego.Engine) string { return fmt.Sprintf("%.12s", engine.Revision()) }

// changes counts what became of a policy's new revisions.
type changes struct {
	meter
	policy string
}

var _ policyEvents = changes{}

func (c changes) policyTookOver()    { c.Count(telemetry.PolicyChanges, 1, c.policy, "took_over") }
func (c changes) policyRefused()     { c.Count(telemetry.PolicyChanges, 1, c.policy, "refused") }
func (c changes) policyUnavailable() { c.Count(telemetry.PolicyChanges, 1, c.policy, "unavailable") }
