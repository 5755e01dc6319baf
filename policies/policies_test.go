package policies_test

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	oparego "github.com/open-policy-agent/opa/v1/rego"

	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	"github.com/spire-gatehouse/gatehouse/policies"
)

// modules parses the baseline.
func modules(t *testing.T) map[string]*ast.Module {
	t.Helper()
	all := parse(t, policies.Baseline())
	if len(all) < 14 {
		t.Fatalf("only %d modules are embedded", len(all))
	}
	return all
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }

// Every rule file has its test beside it, and a directory is a package.
func TestLayout(t *testing.T) {
	all := modules(t)
	for name, module := range all {
		want := "data." + strings.ReplaceAll(path.Dir(name), "/", ".")
		if isTest(name) {
			want += "_test"
		} else if all[strings.TrimSuffix(name, ".rego")+"_test.rego"] == nil {
			t.Errorf("%s has no test beside it", name)
		}
		if got := module.Package.Path.String(); got != want {
			t.Errorf("%s is in package %s, not %s", name, got, want)
		}
	}
}

// Where input.x is missing, "not f(input.x)" is undefined, not true: OPA takes
// the argument out of the negation. A check written so would pass a node of which
// nothing is known. Only == is safe; anything else goes into a rule of its own,
// which is then negated.
func TestNoNegatedCalls(t *testing.T) {
	for name, module := range modules(t) {
		if isTest(name) {
			continue
		}
		for _, problem := range negatedCalls(module) {
			t.Error(problem)
		}
	}
}

func negatedCalls(module *ast.Module) (problems []string) {
	ast.WalkExprs(module, func(expr *ast.Expr) bool {
		if expr.Negated && expr.IsCall() && !expr.IsEquality() && expr.Operator().String() != ast.Equal.Name {
			problems = append(problems, expr.Location.String()+": "+expr.String()+" is undefined for a missing value")
		}
		return false
	})
	return problems
}

func TestNegatedCallsAreFound(t *testing.T) {
	module := ast.MustParseModuleWithOpts(`package x

a if not input.x in {1, 2}

b if not startswith(input.x, "y")

c if not input.x > 1

d if not input.x == 1

e if not d
`, ast.ParserOptions{})
	if got := negatedCalls(module); len(got) != 3 {
		t.Errorf("got %q", got)
	}
}

// Public rules say what they are for: the authors' reference is made from it.
func TestPublicRulesHaveMetadata(t *testing.T) {
	for name, module := range modules(t) {
		if isTest(name) {
			continue
		}
		for _, problem := range undocumented(module) {
			t.Error(problem)
		}
	}
}

func undocumented(module *ast.Module) (problems []string) {
	documented := map[string]bool{}
	for _, rule := range module.Rules {
		for _, a := range rule.Annotations {
			if a.Title == "" || a.Description == "" {
				problems = append(problems, a.Location.String()+": METADATA without title or description")
			}
			documented[rule.Head.Ref()[0].String()] = true
		}
	}
	for _, rule := range module.Rules {
		if name := rule.Head.Ref()[0].String(); !strings.HasPrefix(name, "_") && !documented[name] {
			problems = append(problems, rule.Location.String()+": rule "+name+" has no METADATA")
		}
	}
	return problems
}

// The Rego tests begin with documents that collectors could have made.
func TestFixturesFollowSchemas(t *testing.T) {
	for _, plugin := range []string{"aws_iid", "azure_msi"} {
		options := []func(*oparego.Rego){oparego.Query(strings.ReplaceAll(
			"admission := data.gatehouse.PLUGIN_test.admission_input; decision := data.gatehouse.PLUGIN_test.decision_input", "PLUGIN", plugin))}
		for _, module := range modules(t) {
			options = append(options, oparego.ParsedModule(module))
		}
		results, err := oparego.New(options...).Eval(context.Background())
		if err != nil || len(results) != 1 {
			t.Fatalf("%s: got %v, %v", plugin, results, err)
		}
		schematest.Input(t, plugin, results[0].Bindings["admission"])
		schematest.Input(t, plugin, results[0].Bindings["decision"])
	}
}

// The authors' reference is made from the schemas: every property says what it
// is, and no object takes properties that nobody described.
func TestSchemasAreDescribed(t *testing.T) {
	names, err := fs.Glob(policies.Baseline(), "schemas/*.json")
	if err != nil || len(names) < 2 {
		t.Fatalf("got %v, %v", names, err)
	}
	for _, name := range names {
		checkDescribed(t, name, readSchema(t, name))
	}
}
