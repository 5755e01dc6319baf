package replay

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// hit is that a decision is in a group of a class.
type hit struct {
	class ClassName
	group string
}

// compare finds what is different between two answers. There is nothing to compare
// where the old one is not known. fields has what paths are made of.
func compare(old, now *Answer, fields func() map[string]string) []hit {
	var hits []hit
	add := func(class ClassName, groups ...string) {
		for _, group := range groups {
			hits = append(hits, hit{class, group})
		}
	}
	switch {
	case old.Outcome == Unknown:
		return nil
	case now.Outcome == Unknown:
		refused := ""
		if old.refused() {
			refused = "; refused then by " + strings.Join(old.rules(), ", ")
		}
		add(FactsLacking, suffixed(now.Lacking, refused)...)
		// An agent that was turned away as attested is unknown under its new ID: it may
		// well get in.
		if moved, from, to := pathChange(old, now, fields); moved {
			add(AgentIDChanged, from+" → "+to)
		}
		return hits
	case now.Outcome == Failed && old.Outcome != Failed:
		add(NoAnswer, errorGroup(now.Error))
		return hits
	case old.Outcome == Allowed && now.Outcome == Denied:
		add(NewlyDenied, now.rules()...)
	case old.refused() && now.Outcome == Allowed:
		switch rules := old.rules(); {
		case old.Outcome == Failed:
			add(NewlyAllowed, "no answer")
		case len(rules) == 0:
			add(NewlyAllowed, "no rule")
		default:
			add(NewlyAllowed, rules...)
		}
	case old.Outcome == Denied && now.Outcome == Denied && (old.passes() != now.passes() || !slices.Equal(old.rules(), now.rules())):
		lasts := ""
		if old.passes() != now.passes() {
			lasts = map[bool]string{true: ", for now", false: ", for good"}[now.passes()]
		}
		add(OtherReasons, strings.Join(old.rules(), ", ")+" → "+strings.Join(now.rules(), ", ")+lasts)
	}
	if moved, from, to := pathChange(old, now, fields); moved && !now.refused() {
		add(AgentIDChanged, from+" → "+to)
	}
	if old.Outcome == Allowed && now.Outcome == Allowed {
		add(SelectorsLost, selectorPatterns(without(old.Selectors, now.Selectors))...)
		add(SelectorsGained, selectorPatterns(without(now.Selectors, old.Selectors))...)
		if old.CanReattest != now.CanReattest {
			add(Reattestation, reattests[now.CanReattest])
		}
	}
	// What it would have gathered may have made it decide otherwise.
	add(FactsLacking, suffixed(now.Lacking, "; decided without it")...)
	if !now.refused() && !old.refused() {
		before, after := rego.RuleNames(old.Warnings), rego.RuleNames(now.Warnings)
		add(Warnings, changes(warns, warnsNoMore, before, after)...)
		add(Exemptions, exemptions(old, now)...)
	}
	return hits
}

// pathChange is how an agent's path changes, in patterns.
func pathChange(old, now *Answer, fields func() map[string]string) (moved bool, from, to string) {
	if old.AgentPath == "" || now.AgentPath == "" || old.AgentPath == now.AgentPath {
		return false, "", ""
	}
	values := fields()
	return true, pathPattern(old.AgentPath, values), pathPattern(now.AgentPath, values)
}

// Reasons lists the reasons to refuse that are in old alone, and those in now alone.
func Reasons(old, now *Answer) (gone, added []rego.Violation) {
	only := func(in, notIn []rego.Violation) []rego.Violation {
		return slices.DeleteFunc(slices.Clone(in), func(v rego.Violation) bool { return slices.Contains(notIn, v) })
	}
	return only(old.Denials, now.Denials), only(now.Denials, old.Denials)
}

// Difference lists what is in old alone and what is in now alone. Both are sorted.
func Difference(old, now []string) (lost, gained []string) {
	return without(old, now), without(now, old)
}

// without lists what is in a and not in b. Both are sorted.
func without(a, b []string) []string {
	var rest []string
	for _, text := range a {
		if _, also := slices.BinarySearch(b, text); !also {
			rest = append(rest, text)
		}
	}
	return rest
}

// errorGroup is an error without what is different for each node: quoted texts and
// numbers.
func errorGroup(text string) string {
	const limit = 200
	var b strings.Builder
	quoted, digit := false, false
	for _, r := range text {
		switch {
		case r == '"':
			if quoted = !quoted; quoted {
				b.WriteString(`"…"`)
			}
		case quoted:
		case '0' <= r && r <= '9':
			if !digit {
				b.WriteByte('#')
			}
		default:
			b.WriteRune(r)
		}
		digit = '0' <= r && r <= '9'
	}
	return fmt.Sprintf("%.*s", limit, b.String())
}
