package replay

import (
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// An Outcome is what an answer comes to.
type Outcome string

// The outcomes.
const (
	Allowed Outcome = "allowed"
	Denied  Outcome = "denied"
	Failed  Outcome = "failed"  // policy gave no answer, or one that may not be: refused
	Unknown Outcome = "unknown" // can't be told, for a fact that is not in the log
)

// An Answer is a policy's answer to one decision, as it was recorded or is now.
type Answer struct {
	Outcome     Outcome          `json:"outcome"`
	Denials     []rego.Violation `json:"denials,omitempty"`
	AgentPath   string           `json:"agent_path,omitempty"`
	Selectors   []string         `json:"selectors,omitempty"` // sorted; if allowed
	CanReattest bool             `json:"can_reattest,omitempty"`
	Warnings    []rego.Violation `json:"warnings,omitempty"`
	Exempt      []string         `json:"exempt,omitempty"`

	// Error is why there is no answer.
	Error string `json:"error,omitempty"`

	// At is where the rules are that deny, file:line, as far as it was asked.
	At []string `json:"at,omitempty"`

	// Lacking are facts that policy wants and the log does not have; it decides
	// without those that are optional.
	Lacking []string `json:"lacking,omitempty"`
}

// refused reports whether the node is not let in.
func (a *Answer) refused() bool { return a.Outcome == Denied || a.Outcome == Failed }

// passes reports whether all reasons to deny pass by themselves: SPIRE's agent tries again
// then, and gives up otherwise.
func (a *Answer) passes() bool {
	return !slices.ContainsFunc(a.Denials, func(v rego.Violation) bool { return !v.Transient })
}

// rules are those that deny, each once.
func (a *Answer) rules() []string { return rego.RuleNames(a.Denials) }
