package policies_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	oparego "github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	"github.com/spire-gatehouse/gatehouse/policies"
)

// An example is one folder of examples/.
type example struct {
	name   string
	plugin string
	rules  map[string]*ast.Module // its own, by file
	tests  map[string]*ast.Module
	policy *ast.Compiler // all of it, over the baseline
}

// loaded are all examples, compiled once for all tests.
var loaded = sync.OnceValues(func() ([]example, error) {
	entries, err := os.ReadDir("examples")
	if err != nil || len(entries) < 14 {
		return nil, fmt.Errorf("%d examples: %v", len(entries), err)
	}
	var found []example
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		overlay := policies.Over(os.DirFS(filepath.Join("examples", entry.Name())))
		e := example{
			name:  entry.Name(),
			rules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, policy: ast.NewCompiler(),
		}
		all, err := parseAll(overlay)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		for name, module := range all {
			switch {
			case !overlay.Own(name):
			case isTest(name):
				e.tests[name] = module
			default:
				e.rules[name] = module
				e.plugin = path.Base(path.Dir(name))
			}
		}
		if e.policy.Compile(all); e.policy.Failed() {
			return nil, fmt.Errorf("%s: %w", e.name, e.policy.Errors)
		}
		found = append(found, e)
	}
	return found, nil
})

func examples(t *testing.T) []example {
	t.Helper()
	found, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Examples follow the rules of the baseline, and can be copied into one directory:
// what they define for themselves has a name of its own.
func TestExamplesLayout(t *testing.T) {
	readme, err := os.ReadFile("examples/README.md")
	if err != nil {
		t.Fatal(err)
	}
	helpers := map[string]string{} // where a rule's private name is from
	for name, module := range modules(t) {
		for _, helper := range privateRules(module) {
			helpers[module.Package.Path.String()+"."+helper] = name
		}
	}
	for _, e := range examples(t) {
		for _, heading := range []string{"(" + e.name + ")", "## " + e.name + "\n"} {
			if !strings.Contains(string(readme), heading) {
				t.Errorf("README.md doesn't have %q", heading)
			}
		}
		for name, module := range e.rules {
			full := e.name + "/" + name
			if e.tests[strings.TrimSuffix(name, ".rego")+"_test.rego"] == nil {
				t.Errorf("%s has no test beside it", full)
			}
			if want := "data.gatehouse." + e.plugin; module.Package.Path.String() != want || path.Dir(name) != "gatehouse/"+e.plugin {
				t.Errorf("%s is in package %s, not %s", full, module.Package.Path, want)
			}
			for _, problem := range append(negatedCalls(module), undocumented(module)...) {
				t.Errorf("%s: %s", e.name, problem)
			}
			for _, helper := range privateRules(module) {
				helper = module.Package.Path.String() + "." + helper
				if other := helpers[helper]; other != "" && other != name && other != e.name {
					t.Errorf("%s: %s is also in %s", full, helper, other)
				}
				helpers[helper] = e.name
			}
		}
		for name, module := range e.tests {
			if want := "data." + e.name + "_test"; module.Package.Path.String() != want {
				t.Errorf("%s/%s is in package %s, not %s", e.name, name, module.Package.Path, want)
			}
		}
	}
}

func privateRules(module *ast.Module) (names []string) {
	for _, rule := range module.Rules {
		if name := rule.Head.Ref()[0].String(); strings.HasPrefix(name, "_") {
			names = append(names, name)
		}
	}
	return names
}

// All examples can be copied into one directory: no file is there twice, and the
// tests of each pass beside the others' rules and lists.
func TestExamplesTogether(t *testing.T) {
	dir := t.TempDir()
	var own []string
	for _, e := range examples(t) {
		if err := os.CopyFS(dir, os.DirFS(filepath.Join("examples", e.name))); err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		own = append(own, e.name)
	}
	files, err := loader.NewFileLoader().All([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	store := inmem.NewFromObject(files.Documents)
	txn, err := store.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(t.Context(), txn)
	results, err := tester.NewRunner().
		SetStore(store).
		SetModules(parse(t, policies.Over(os.DirFS(dir)))).
		Filter(`^data\.(`+strings.Join(own, "|")+`)_test\.`).
		RaiseBuiltinErrors(true).
		SetTimeout(time.Hour). // on a busy machine the default is too short
		RunTests(t.Context(), txn)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	for result := range results {
		ran[result.Package] = true
		if !result.Pass() {
			t.Errorf("%s: %s: %v", result.Location, result.Name, result.Error)
		}
	}
	if len(ran) != len(own) {
		t.Errorf("tests of %v ran", ran)
	}
}

// What lets a node in lets none in any more without one of the values that it reads,
// or without an operator's list: nothing that is missing may pass for good.
func TestExamplesNeedWhatTheyRead(t *testing.T) {
	for _, e := range examples(t) {
		if !e.decides() {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			good := e.fixtures(t)
			for name, input := range good.inputs {
				schematest.Input(t, e.plugin, input)
				if !e.admits(t, input, good.lists, good.config) {
					t.Fatalf("%s is not let in", name)
				}
			}
			for _, read := range e.reads() {
				needed := slices.ContainsFunc(good.list(), func(input any) bool {
					return !e.admits(t, without(t, input, read), good.lists, good.config)
				})
				if !needed {
					t.Errorf("without input.%s every good input is let in still", strings.Join(read, "."))
				}
			}
			for list := range good.lists {
				rest := without(t, good.lists, []string{list}).(map[string]any)
				for name, input := range good.inputs {
					if e.admits(t, input, rest, good.config) {
						t.Errorf("without data.fleet.%s %s is let in still", list, name)
					}
				}
			}
		})
	}
}

// decides reports whether there are rules about who is let in, or as whom.
func (e example) decides() bool {
	for _, module := range e.rules {
		for _, rule := range module.Rules {
			switch rule.Head.Ref()[0].String() {
			case "violation", "admission_violation", "exempt", "can_reattest", "agent_path":
				return true
			}
		}
	}
	return false
}

// reads lists what the rules read of the input: paths, as far as they are known
// before an evaluation.
func (e example) reads() (paths [][]string) {
	for _, module := range e.rules {
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			if !ref.HasPrefix(ast.InputRootRef) {
				return false
			}
			var read []string
			for _, term := range ref[1:] {
				key, ok := term.Value.(ast.String)
				if !ok {
					break
				}
				read = append(read, string(key))
			}
			if len(read) > 0 && !slices.ContainsFunc(paths, func(p []string) bool { return slices.Equal(p, read) }) {
				paths = append(paths, read)
			}
			return false
		})
	}
	return paths
}

// goods are what an example's tests say is let in.
type goods struct {
	inputs map[string]any
	lists  map[string]any // data.fleet
	config any            // data.gatehouse.config
}

func (g goods) list() (inputs []any) {
	for _, input := range g.inputs {
		inputs = append(inputs, input)
	}
	return inputs
}

func (e example) fixtures(t *testing.T) goods {
	t.Helper()
	g := goods{lists: map[string]any{}}
	tests := "data." + e.name + "_test"
	ok := false
	if g.inputs, ok = e.eval(t, tests+".good_inputs", nil, map[string]any{}).(map[string]any); !ok {
		t.Fatalf("%s.good_inputs is no object", tests)
	}
	if lists, ok := e.eval(t, tests+".good_data", nil, map[string]any{}).(map[string]any); ok {
		g.lists = lists
	}
	g.config = e.eval(t, "data.gatehouse."+e.plugin+"_test.config", nil, map[string]any{})
	return g
}

// admits reports whether nothing denies a node, and it gets a path.
func (e example) admits(t *testing.T, input any, lists map[string]any, config any) bool {
	t.Helper()
	data := map[string]any{"fleet": lists, "gatehouse": map[string]any{"config": config}}
	decision, ok := e.eval(t, "data.gatehouse."+e.plugin+".decision", input, data).(map[string]any)
	if !ok || decision["agent_path"] == nil {
		return false
	}
	for _, v := range decision["violations"].([]any) {
		if !slices.Contains(decision["exempt"].([]any), v.(map[string]any)["rule"]) {
			return false
		}
	}
	return true
}

// eval returns nil for what is undefined.
func (e example) eval(t *testing.T, query string, input any, data map[string]any) any {
	t.Helper()
	results, err := oparego.New(
		oparego.Compiler(e.policy),
		oparego.Store(inmem.NewFromObject(data)),
		oparego.StrictBuiltinErrors(true),
		oparego.Query(query),
		oparego.Input(input),
	).Eval(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if len(results) == 0 {
		return nil
	}
	return results[0].Expressions[0].Value
}

// without returns a copy of a document without the value at a path.
func without(t *testing.T, document any, at []string) any {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var rest map[string]any
	if err := json.Unmarshal(text, &rest); err != nil {
		t.Fatal(err)
	}
	object := rest
	for _, key := range at[:len(at)-1] {
		object, _ = object[key].(map[string]any)
	}
	delete(object, at[len(at)-1])
	return rest
}

func parse(t *testing.T, fsys fs.FS) map[string]*ast.Module {
	t.Helper()
	all, err := parseAll(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func parseAll(fsys fs.FS) (map[string]*ast.Module, error) {
	all := map[string]*ast.Module{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".rego" {
			return err
		}
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		all[name], err = ast.ParseModuleWithOpts(name, string(content), ast.ParserOptions{ProcessAnnotation: true})
		return err
	})
	return all, err
}
