package rego

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// checkRead refuses rules of a plugin's package that nothing reads and that are
// named almost like one that something does: "violations contains …" would refuse
// nobody.
func checkRead(pkg ast.Ref, modules map[string]*ast.Module) []error {
	read := map[string]bool{admission: true, decision: true}
	whole := false // something reads the package in another way
	for _, module := range modules {
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			if !ref.HasPrefix(pkg) || ref.Equal(module.Package.Path) {
				return false
			}
			if len(ref) == len(pkg) {
				whole = true
			} else if name, ok := ref[len(pkg)].Value.(ast.String); ok {
				read[string(name)] = true
			} else {
				whole = true
			}
			return false
		})
	}
	if whole {
		return nil
	}
	var problems []error
	known := slices.Collect(maps.Keys(read))
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		if !modules[file].Package.Path.Equal(pkg) {
			continue
		}
		for _, rule := range modules[file].Rules {
			name := rule.Head.Ref()[0].String()
			if read[name] {
				continue
			}
			if meant := closest(name, known); len(meant) > 0 {
				problems = append(problems, fmt.Errorf("%s:%d: nothing reads rule %s; did you mean %s?",
					rule.Location.File, rule.Location.Row, name, strings.Join(meant, " or ")))
			}
		}
	}
	return problems
}

// checkElsewhere refuses what nothing reads in a package that it was not meant for:
// any rule of one whose name is almost that of a package that is asked, and checks
// wherever they are, under another tool's name for them too. Policy would decide as if
// they were not there, and nobody would notice. What rules are is seen as they were
// parsed, what they read as they were compiled.
func checkElsewhere(pkg ast.Ref, parsed, compiled map[string]*ast.Module) []error {
	reads := readsOf(compiled)
	packages := []string{dotted(pkg), dotted(systemLogRef)}
	for _, module := range parsed {
		if slices.ContainsFunc(module.Rules, func(r *ast.Rule) bool { return r.Head.Ref().String() == decision }) {
			packages = append(packages, dotted(module.Package.Path))
		}
	}
	var problems []error
	told := map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(parsed)) {
		own := parsed[file].Package.Path
		var near []string
		if !slices.Contains(packages, dotted(own)) {
			near = closest(dotted(own), packages)
		}
		for _, rule := range parsed[file].Rules {
			name := rule.Head.Ref()[0].String()
			path := own.Append(ast.StringTerm(name))
			misspelt := own.Equal(pkg) && len(closest(name, checks)) > 0 // checkRead says so
			if misspelt || told[path.String()] || len(near) == 0 && !judges(rule) || slices.ContainsFunc(reads, func(read ast.Ref) bool {
				return read.HasPrefix(path) || path.HasPrefix(read)
			}) {
				continue
			}
			told[path.String()] = true
			meant := fmt.Sprintf("it would refuse nobody: checks are %s and %s of package %s", checks[1], checks[0], dotted(pkg))
			if len(near) > 0 {
				meant = fmt.Sprintf("did you mean package %s?", strings.Join(near, " or "))
			}
			problems = append(problems, fmt.Errorf("%s:%d: nothing reads rule %s of package %s; %s",
				rule.Location.File, rule.Location.Row, name, dotted(own), meant))
		}
	}
	return problems
}

// judges says whether a rule makes reasons to refuse, by its name or by what they
// are. One whose name begins with an underscore is for other rules alone.
func judges(rule *ast.Rule) bool {
	name := rule.Head.Ref().String()
	if rule.Head.RuleKind() != ast.MultiValue || strings.HasPrefix(name, "_") {
		return false
	}
	if slices.Contains(checks, name) {
		return true
	}
	_, shows := ruleName(rule.Head.Key, rule.Body)
	return shows
}

// readsOf lists what rules read of data, each as far as it shows before a policy is
// asked.
func readsOf(modules map[string]*ast.Module) []ast.Ref {
	var reads []ast.Ref
	for _, module := range modules {
		for _, rule := range module.Rules {
			ast.WalkRefs(rule, func(ref ast.Ref) bool {
				if ref.HasPrefix(ast.DefaultRootRef) {
					reads = append(reads, ref.GroundPrefix())
				}
				return false
			})
		}
	}
	return reads
}
