package rego

import (
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/open-policy-agent/opa/v1/ast"
)

// names are what a policy's authors may have meant by a name that there isn't.
type names struct {
	modules  map[string]*ast.Module
	builtins []string
}

func namesOf(modules map[string]*ast.Module, caps *ast.Capabilities) names {
	n := names{modules: modules}
	for _, builtin := range caps.Builtins {
		n.builtins = append(n.builtins, builtin.Name)
	}
	return n
}

// explain adds the nearest name to a compiler's error, if there is one near.
func (n names) explain(e *ast.Error) *ast.Error {
	meant := n.meant(e)
	if len(meant) == 0 {
		return e
	}
	explained := *e
	explained.Message += "; did you mean " + strings.Join(meant, " or ") + "?"
	return &explained
}

func (n names) meant(e *ast.Error) []string {
	if detail, ok := e.Details.(*ast.RefErrInvalidDetail); ok && detail.Pos < len(detail.Ref) {
		return nearestKey(detail)
	}
	if name, found := strings.CutPrefix(e.Message, "undefined function "); found {
		return closest(name, n.functions(e.Location))
	}
	if rest, found := strings.CutPrefix(e.Message, "var "); found {
		if name, _, found := strings.Cut(rest, " is unsafe"); found {
			return closest(name, n.inScope(e.Location))
		}
	}
	return nil
}

// nearestKey names the field that there is, as input.evidence.account_id.
func nearestKey(detail *ast.RefErrInvalidDetail) []string {
	have, ok := detail.Ref[detail.Pos].Value.(ast.String)
	if !ok {
		return nil
	}
	var keys []string
	for _, key := range detail.OneOf {
		if text, ok := key.(ast.String); ok {
			keys = append(keys, string(text))
		}
	}
	meant := closest(string(have), keys)
	for i, key := range meant {
		meant[i] = detail.Ref[:detail.Pos].Append(ast.StringTerm(key)).String()
	}
	return meant
}

// functions lists the built-in functions and the policy's own, those of the same
// package by their short names too.
func (n names) functions(at *ast.Location) []string {
	all := slices.Clone(n.builtins)
	for _, module := range n.modules {
		for _, rule := range module.Rules {
			if len(rule.Head.Args) == 0 {
				continue
			}
			all = append(all, rule.Ref().String())
			if n.samePackage(module, at) {
				all = append(all, rule.Head.Ref().String())
			}
		}
	}
	return all
}

// inScope lists what a bare name may stand for: rules of the same package, and
// what the file imports.
func (n names) inScope(at *ast.Location) []string {
	all := []string{"input", "data"}
	for file, module := range n.modules {
		if n.samePackage(module, at) {
			for _, rule := range module.Rules {
				all = append(all, rule.Head.Ref()[0].String())
			}
		}
		if at != nil && file == at.File {
			for _, imported := range module.Imports {
				all = append(all, string(imported.Name()))
			}
		}
	}
	return all
}

func (n names) samePackage(module *ast.Module, at *ast.Location) bool {
	if at == nil || n.modules[at.File] == nil {
		return false
	}
	return module.Package.Equal(n.modules[at.File].Package)
}

// closest returns the names that are fewest typing errors away, in order, and none
// if that is more than two, or one for a short name.
func closest(name string, all []string) []string {
	limit := 2
	if len(name) < 4 {
		limit = 1
	}
	if len(name) > maxNameBytes {
		return nil
	}
	near := map[string]bool{}
	for _, other := range all {
		if other == name {
			continue
		}
		distance := levenshtein.ComputeDistance(name, other)
		if distance > limit {
			continue
		}
		if distance < limit {
			limit = distance
			clear(near)
		}
		near[other] = true
	}
	return slices.Sorted(maps.Keys(near))
}
