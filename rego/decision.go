package rego

import (
	"cmp"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A Violation is one reason to refuse, or one remark.
type Violation struct {
	// Rule names the check, for exemptions and counters.
	Rule string `json:"rule"`

	// Msg is for a person, in the server's log; never for the agent.
	Msg string `json:"msg"`

	// Transient says that the reason passes by itself: the node may try again.
	// SPIRE's agent gives up at once when it is denied for good.
	Transient bool `json:"transient,omitempty"`
}

// An Admission is the answer from the signed evidence alone. Violations of rules
// that the configuration turns down are not among its Violations: they are
// Warnings, or nowhere.
type Admission struct {
	Violations []Violation
	Exempt     []string
	Warnings   []Violation

	// Required and Optional name the facts to gather. No name is in both.
	Required, Optional []string

	// AgentPath is empty while the path needs facts.
	AgentPath string
}

// A Decision is the final answer. If it has Denials, it has no selectors, and
// its path is only there for the log, if it is a valid one. Violations of rules
// that the configuration turns down are among its Warnings, or nowhere.
type Decision struct {
	Violations  []Violation
	Exempt      []string
	AgentPath   string
	Selectors   []string // sorted
	CanReattest bool
	Warnings    []Violation
}

// Denials returns the violations whose rule is not exempt: if there is one, the
// node is refused.
func (a Admission) Denials() []Violation { return denials(a.Violations, a.Exempt) }

// Denials returns the violations whose rule is not exempt: if there is one, the
// node is refused.
func (d Decision) Denials() []Violation { return denials(d.Violations, d.Exempt) }

func denials(violations []Violation, exempt []string) []Violation {
	var left []Violation
	for _, v := range violations {
		if !slices.Contains(exempt, v.Rule) {
			left = append(left, v)
		}
	}
	return left
}

func decodeAdmission(value ast.Value, g guard, enforced enforcement) (Admission, error) {
	answer, err := object(value, []string{"violations", "exempt", "facts"}, "agent_path")
	if err != nil {
		return Admission{}, err
	}
	facts, err := object(answer.get("facts"), []string{"required", "optional"})
	if err != nil {
		return Admission{}, within("facts", err)
	}
	var a Admission
	var f fields
	a.Violations = f.reasons("violations", answer.get("violations"))
	a.Exempt = f.names("exempt", answer.get("exempt"))
	a.Required = f.names("facts.required", facts.get("required"))
	a.Optional = f.names("facts.optional", facts.get("optional"))
	if f.err != nil {
		return Admission{}, f.err
	}
	a.Violations, a.Warnings = enforced.apply(a.Violations, a.Exempt)
	a.Optional = slices.DeleteFunc(a.Optional, func(name string) bool { return slices.Contains(a.Required, name) })

	if path := answer.get("agent_path"); path != nil {
		a.AgentPath, err = g.agentPath(path)
	}
	if err != nil && len(a.Denials()) == 0 {
		return Admission{}, err
	}
	return a, nil
}

func decodeDecision(value ast.Value, g guard, enforced enforcement) (Decision, error) {
	answer, err := object(value, []string{"violations", "exempt", "selectors", "can_reattest", "warnings"}, "agent_path")
	if err != nil {
		return Decision{}, err
	}
	var d Decision
	var f fields
	d.Violations = f.reasons("violations", answer.get("violations"))
	d.Exempt = f.names("exempt", answer.get("exempt"))
	d.Warnings = f.reasons("warnings", answer.get("warnings"))
	canReattest := f.boolean("can_reattest", answer.get("can_reattest"))
	selectors := f.set("selectors", answer.get("selectors"))
	if f.err != nil {
		return Decision{}, f.err
	}

	violations, turnedDown := enforced.apply(d.Violations, d.Exempt)
	d.Violations, d.Warnings = violations, union(d.Warnings, turnedDown)
	path, pathErr := g.agentPath(answer.get("agent_path"))
	if len(d.Denials()) > 0 {
		d.AgentPath = path
		return d, nil
	}
	if pathErr != nil {
		return Decision{}, pathErr
	}
	if d.Selectors, err = decodeSelectors(selectors); err != nil {
		return Decision{}, within("selectors", err)
	}
	d.AgentPath = path
	d.CanReattest = canReattest
	return d, nil
}

// RuleNames names the rules of violations, sorted and each once.
func RuleNames(violations []Violation) []string {
	var names []string
	for _, v := range violations {
		names = append(names, v.Rule)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func compareViolations(a, b Violation) int {
	return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Msg, b.Msg))
}

// union joins two lists in order, what is in both only once.
func union(a, b []Violation) []Violation {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, compareViolations)
	return slices.Compact(all)
}
