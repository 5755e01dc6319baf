package rego

import (
	"cmp"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// A Rule is one check of a policy: a rule that adds to violation or
// admission_violation. Several may share a name; they are exempted and turned down
// together.
type Rule struct {
	// Name is what violations have as their rule.
	Name string

	// Title and Description are the check's METADATA, if it has any.
	Title, Description string

	// File and Line say where the check begins.
	File string
	Line int
}

// Rules lists the checks of the policy whose names show in their heads, by name,
// file and line.
func (e *Engine) Rules() []Rule { return slices.Clone(e.rules) }

// scanRules finds the checks of a package. A name shows if the head is an object
// with "rule": "name", or a variable to which the body assigns such an object.
// complete says that all do: otherwise a policy may have names that only its
// evaluation brings out.
func scanRules(pkg ast.Ref, modules map[string]*ast.Module) (rules []Rule, complete bool) {
	complete = true
	own := rulesOf(pkg, modules)
	empty := emptySets(own)
	for _, rule := range own {
		if !slices.Contains(checks, rule.Head.Ref().String()) {
			continue
		}
		name, shows := ruleName(rule.Head.Key, rule.Body)
		switch {
		case shows:
			rules = append(rules, describe(name, rule))
		case !drawsFrom(rule, empty):
			complete = false
		}
	}
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return rules, complete
}

// rulesOf lists the rules of a package, by file.
func rulesOf(pkg ast.Ref, modules map[string]*ast.Module) []*ast.Rule {
	var own []*ast.Rule
	for _, file := range util.KeysSorted(modules) {
		if modules[file].Package.Path.Equal(pkg) {
			own = append(own, modules[file].Rules...)
		}
	}
	return own
}

func describe(name string, rule *ast.Rule) Rule {
	r := Rule{Name: name, File: rule.Location.File, Line: rule.Location.Row}
	for _, a := range rule.Annotations {
		r.Title, r.Description = a.Title, a.Description
	}
	return r
}

func ruleName(key *ast.Term, body ast.Body) (name string, shows bool) {
	if key == nil {
		return "", false
	}
	switch value := key.Value.(type) {
	case ast.Object:
		if term := value.Get(ast.StringTerm("rule")); term != nil {
			text, ok := term.Value.(ast.String)
			return string(text), ok
		}
	case ast.Var:
		for _, expr := range body {
			if expr.IsAssignment() && expr.Operand(0).Equal(key) {
				return ruleName(expr.Operand(1), nil)
			}
		}
	}
	return "", false
}

// emptySets finds the rules that are the empty set and nothing else.
func emptySets(rules []*ast.Rule) map[string]bool {
	empty := map[string]bool{}
	for _, rule := range rules {
		name := rule.Head.Ref().String()
		_, seen := empty[name]
		set, isSet := value(rule.Head.Value).(ast.Set)
		empty[name] = !seen && isSet && set.Len() == 0
	}
	return empty
}

func value(term *ast.Term) ast.Value {
	if term == nil {
		return nil
	}
	return term.Value
}

// drawsFrom recognizes a rule that holds for nothing, which is how a policy
// declares a set to which other rules add: some x in none, where none is one of
// the empty sets.
func drawsFrom(rule *ast.Rule, empty map[string]bool) bool {
	return slices.ContainsFunc(rule.Body, func(expr *ast.Expr) bool {
		some, ok := expr.Terms.(*ast.SomeDecl)
		if !ok || len(some.Symbols) != 1 {
			return false
		}
		call, ok := some.Symbols[0].Value.(ast.Call)
		return ok && len(call) == 3 && call[0].String() == ast.Member.Name && empty[call[2].String()]
	})
}
