package telemetry

// The labels that several metrics have.
var (
	policyLabel = Label{Name: "policy", Values: []string{Enforcing, Shadow}}
	apiLabel    = Label{Name: "api", Max: 50}
	cacheLabel  = Label{Name: "cache", Max: 20}
)

// The values of the label policy.
const (
	Enforcing = "enforcing"
	Shadow    = "shadow"
)

// What attestations come to.
var (
	Attestations = &Metric{
		Name: "attestations", Kind: Counter,
		Labels: []Label{{Name: "outcome", Values: []string{
			"attested", "bad_evidence", "denied", "denied_for_now", "unavailable", "not_configured", "internal", "panic", "cancelled", "deadline",
		}}},
		Help: "Attestations by outcome, which is the decision log's.",
	}
	Rules = &Metric{
		Name: "rules", Kind: Counter,
		Labels: []Label{{Name: "rule", Max: 100}, {Name: "effect", Values: []string{"denied", "warned", "exempt", "off"}}},
		Help:   "Rules that fired, and what came of it, once for each attestation.",
	}
	StepTime = &Metric{
		Name: "step_elapsed_time", Kind: Summary,
		Labels: []Label{{Name: "step", Values: []string{"verify", "admit", "gather", "first_use", "decide", "total"}}},
		Help:   "How long a step of an attestation took, in milliseconds.",
	}
	Claims = &Metric{
		Name: "claims", Kind: Counter,
		Labels: []Label{{Name: "result", Values: []string{"taken", "refused", "kept", "error"}}},
		Help:   "Claims: taken; refused, since another attestation holds one; kept for a node that was let in; not to be had.",
	}
	Panics = &Metric{
		Name: "panics", Kind: Counter,
		Labels: []Label{{Name: "where", Values: []string{"attestation", "shadow"}}},
		Help:   "Panics that were caught. Each is a bug.",
	}
)

// What the cloud is asked.
var (
	CloudCalls = &Metric{
		Name: "cloud_calls", Kind: Counter,
		Labels: []Label{apiLabel, {Name: "result", Values: []string{"ok", "error"}}},
		Help:   "Calls to the cloud, each with all its tries.",
	}
	CloudThrottles = &Metric{
		Name: "cloud_throttles", Kind: Counter, Labels: []Label{apiLabel},
		Help: "Tries that the cloud refused for their number.",
	}
	CloudTime = &Metric{
		Name: "cloud_call_elapsed_time", Kind: Summary, Labels: []Label{apiLabel},
		Help: "How long a call to the cloud took, in milliseconds.",
	}
	CacheLookups = &Metric{
		Name: "cache_lookups", Kind: Counter,
		Labels: []Label{cacheLabel, {Name: "result", Values: []string{"hit", "shared", "miss", "stale", "failed"}}},
		Help:   "Questions to a cache, by where the answer came from.",
	}
	CacheAge = &Metric{
		Name: "cache_answer_age", Kind: Summary, Labels: []Label{cacheLabel},
		Help: "How old a cache's answer was, in seconds.",
	}
)

// What is in force.
var (
	PolicyInfo = &Metric{
		Name: "policy_info", Kind: Gauge, Labels: []Label{policyLabel, {Name: "revision", Max: 500}},
		Help: "1 for the policy revision in force, by the first 12 characters of it, and 0 for those before.",
	}
	PolicyAge = &Metric{
		Name: "policy_age", Kind: Gauge, Labels: []Label{policyLabel},
		Help: "How long the policy revision has been in force, in seconds.",
	}
	PolicyChanges = &Metric{
		Name: "policy_changes", Kind: Counter,
		Labels: []Label{policyLabel, {Name: "result", Values: []string{"took_over", "refused", "unavailable"}}},
		Help:   "New policy revisions: taken over; refused, so that the last good one stays; not to be had, or not what was signed.",
	}
	Configurations = &Metric{
		Name: "configurations", Kind: Counter, Labels: []Label{{Name: "result", Values: []string{"accepted", "refused"}}},
		Help: "Times that SPIRE configured the plugin.",
	}
)

// What the shadow policy would have done.
var (
	ShadowDecisions = &Metric{
		Name: "shadow_decisions", Kind: Counter,
		Labels: []Label{{Name: "result", Values: []string{"same", "different", "undecided", "failed", "dropped"}}},
		Help:   "Decisions put to the shadow policy too: with the same answer, another one, none for want of facts, a failed evaluation; dropped for want of time.",
	}
	ShadowDifferences = &Metric{
		Name: "shadow_differences", Kind: Counter,
		Labels: []Label{{Name: "difference", Values: []string{
			"newly_denied", "newly_allowed", "newly_admitted", "agent_path", "selectors_gained", "selectors_lost", "can_reattest", "denied_otherwise",
		}}},
		Help: "What was different about the shadow policy's answers. One may have several.",
	}
	ShadowTime = &Metric{
		Name: "shadow_elapsed_time", Kind: Summary,
		Help: "How long the shadow policy took for a decision, in milliseconds. Nobody waits for it.",
	}
)

// What was lost.
var (
	DecisionLogLost = &Metric{
		Name: "decision_log_lost", Kind: Counter,
		Help: "Events that the decision log lost.",
	}
	Dropped = &Metric{
		Name: "telemetry_dropped", Kind: Counter, Labels: []Label{{Name: "kind", Values: []string{"counter", "gauge", "summary"}}},
		Help: "Figures that did not get to SPIRE.",
	}
)

// All lists every metric. Each has a label plugin beside its own.
func All() []*Metric {
	return []*Metric{
		Attestations, Rules, StepTime, Claims, Panics,
		CloudCalls, CloudThrottles, CloudTime, CacheLookups, CacheAge,
		PolicyInfo, PolicyAge, PolicyChanges, Configurations,
		ShadowDecisions, ShadowDifferences, ShadowTime,
		DecisionLogLost, Dropped,
	}
}
