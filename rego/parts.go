package rego

import (
	"cmp"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A component is one of the rules of a plugin's package that make up its answers,
// and the entrypoint that asks for it first.
type component struct{ name, entrypoint string }

// components are in the order in which people are told of them.
var components = []component{
	{"admission_violation", admission},
	{"violation", decision},
	{"warning", decision},
	{"exempt", admission},
	{"required_fact", admission},
	{"optional_fact", admission},
	{"agent_path", admission},
	{"can_reattest", decision},
	{"selector", decision},
}

// checks are the components with violations in them.
var checks = []string{"admission_violation", "violation"}

// A part is one rule of a component, as it is written.
type part struct {
	Rule
	of    component
	place place
}

// place tells rules apart. It is the same before and after compilation.
type place struct {
	file     string
	row, col int
}

func placeOf(rule *ast.Rule) place {
	return place{rule.Location.File, rule.Location.Row, rule.Location.Col}
}

// scanParts finds the rules that the answers of a package are put together of.
// Those that only declare a set, for others to add to, are none.
func scanParts(pkg ast.Ref, modules map[string]*ast.Module) []part {
	own := rulesOf(pkg, modules)
	empty := emptySets(own)
	var parts []part
	for _, rule := range own {
		i := slices.IndexFunc(components, func(c component) bool { return c.name == rule.Head.Ref().String() })
		if i < 0 || drawsFrom(rule, empty) {
			continue
		}
		name := ""
		if slices.Contains(checks, components[i].name) {
			name, _ = ruleName(rule.Head.Key, rule.Body)
		}
		parts = append(parts, part{Rule: describe(name, rule), of: components[i], place: placeOf(rule)})
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(
			cmp.Compare(slices.Index(components, a.of), slices.Index(components, b.of)),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return parts
}
