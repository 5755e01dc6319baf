package rego

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// checkPrivate refuses a rule of a plugin's package whose name begins with an
// underscore and that several files define. Checks put their good case into such a
// rule and negate it, and Rego lets in who satisfies one of its definitions: a helper
// that happened to have the name of another file's would take away what that file
// refuses, and no test of either would show it.
func checkPrivate(pkg ast.Ref, modules map[string]*ast.Module) []error {
	owners := map[string]*ast.Location{}
	var problems []error
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		if !modules[file].Package.Path.Equal(pkg) {
			continue
		}
		told := map[string]bool{}
		for _, rule := range modules[file].Rules {
			name := rule.Head.Ref()[0].String()
			if !strings.HasPrefix(name, "_") {
				continue
			}
			owner := owners[name]
			switch {
			case owner == nil:
				owners[name] = rule.Location
			case owner.File != file && !told[name]:
				told[name] = true
				problems = append(problems, fmt.Errorf("%s:%d: rule %s is in %s:%d, too: one that begins with an underscore belongs to one file, "+
					"or it would change what another file means; give it another name", file, rule.Location.Row, name, owner.File, owner.Row))
			}
		}
	}
	return problems
}
