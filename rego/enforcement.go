package rego

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/util"
)

// How a rule is enforced.
const (
	enforceDeny = "deny" // a violation denies; the default
	enforceWarn = "warn" // a violation becomes a warning
	enforceOff  = "off"  // a violation is dropped
)

// enforcement has, by rule, how operators want it enforced: the object
// "enforcement" of the configuration.
type enforcement map[string]string

// newEnforcement reads the enforcement from the configuration, and reports all
// that is wrong with it. A name that no policy has is an error, since the rule
// that was meant would go on denying, or a typing error would go unnoticed until
// it does. Only where a policy computes the names of its rules can't that be told.
func newEnforcement(config map[string]any, rules []Rule, complete bool) (enforcement, error) {
	configured, there := config["enforcement"]
	if !there {
		return nil, nil
	}
	modes, ok := configured.(map[string]any)
	if !ok {
		return nil, errors.New("configuration: enforcement is no object")
	}
	e := enforcement{}
	var problems []error
	for _, rule := range util.KeysSorted(modes) {
		mode, _ := modes[rule].(string)
		switch {
		case mode != enforceDeny && mode != enforceWarn && mode != enforceOff:
			problems = append(problems, fmt.Errorf("configuration: enforcement of %s is %#v, not %q, %q or %q",
				excerpt(rule), modes[rule], enforceDeny, enforceWarn, enforceOff))
		case complete && !hasRule(rules, rule):
			problems = append(problems, fmt.Errorf("configuration: enforcement of %s: no policy has a rule of that name; %s",
				excerpt(rule), nearest(rule, rules)))
		}
		e[rule] = mode
	}
	return e, errors.Join(problems...)
}

func hasRule(rules []Rule, name string) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.Name == name })
}

// nearest names the rules that may have been meant, or else all.
func nearest(name string, rules []Rule) string {
	var all []string
	for _, rule := range rules {
		if !slices.Contains(all, rule.Name) {
			all = append(all, rule.Name)
		}
	}
	if near := closest(name, all); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "?"
	}
	return "there are " + strings.Join(all, ", ")
}

// apply takes the violations of rules that are turned down away from those that
// deny.
func (e enforcement) apply(violations []Violation, exempt []string) (kept, warnings []Violation) {
	if len(e) == 0 {
		return violations, nil
	}
	for _, v := range violations {
		switch e.effect(v.Rule, exempt) {
		case EffectOff:
		case EffectWarned:
			warnings = append(warnings, v)
		default:
			kept = append(kept, v)
		}
	}
	return kept, warnings
}

// effect says what comes of a rule's violation. An exemption comes before a
// warning: what would not have denied is no warning.
func (e enforcement) effect(rule string, exempt []string) string {
	switch mode := e[rule]; {
	case mode == enforceOff:
		return EffectOff
	case slices.Contains(exempt, rule):
		return EffectExempt
	case mode == enforceWarn:
		return EffectWarned
	default:
		return EffectDenied
	}
}
