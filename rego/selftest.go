package rego

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// selfTest runs the tests in the files that own chooses, as opa test would: with
// the policy's data, but without a plugin's configuration, which tests bring
// themselves. It reports each that does not pass.
//
// Other files' tests don't run, though what they define is there for the chosen
// ones: those of the baseline compare whole answers, to which any rule may add.
func selfTest(ctx context.Context, src *source, own func(file string) bool, caps *ast.Capabilities) error {
	if own == nil {
		return nil
	}
	results, err := newSuite(src, own, caps).run(ctx)
	if err != nil {
		return err
	}
	return failures(slices.DeleteFunc(results, func(r *tester.Result) bool { return r.Pass() || r.Skip }))
}

// failures tells of the first failed tests, and how many more there are.
func failures(failed []*tester.Result) error {
	var problems []error
	for i, result := range failed {
		if i == maxFailures {
			problems = append(problems, fmt.Errorf("tests: %d more fail", len(failed)-i))
			break
		}
		problems = append(problems, failure(result))
	}
	return errors.Join(problems...)
}

// suite is the tests of a policy, those of them that are to run.
type suite struct {
	*source
	own    func(file string) bool
	caps   *ast.Capabilities
	filter string // a regular expression for the names; empty for all
	prints bool   // keep what tests print: without limit, so only for a person who waits
	trace  bool
	cover  *cover.Cover // nil, or what tests evaluate is noted there

	testTime, allTestsTime time.Duration // of one test, and of all
}

func newSuite(src *source, own func(file string) bool, caps *ast.Capabilities) suite {
	return suite{source: src, own: own, caps: caps, testTime: maxTestTime, allTestsTime: maxAllTestsTime}
}

// run compiles the tests as strictly as the modules, runs them and returns their
// results in the order of the files. It is an error if they don't compile or take
// too long together.
func (s suite) run(ctx context.Context) (results []*tester.Result, err error) {
	defer recovered.To(&err)
	if len(s.tests) == 0 {
		return nil, nil
	}
	modules := maps.Clone(s.modules)
	for name, module := range s.tests {
		if !s.own(name) {
			module = withoutTests(module)
		}
		modules[name] = module
	}
	ctx, cancel := context.WithTimeout(ctx, s.allTestsTime)
	defer cancel()
	store := inmem.NewFromObject(s.data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	compiler := newCompiler(ctx, s.schemas, store, txn, s.caps).WithEnablePrintStatements(s.prints)
	runner := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(store).
		SetModules(modules).
		SetTimeout(s.testTime).
		RaiseBuiltinErrors(true).
		CapturePrintOutput(s.prints).
		EnableTracing(s.trace).
		Filter(s.filter)
	if s.cover != nil {
		runner.SetCoverageQueryTracer(s.cover)
	}
	done, err := runner.RunTests(ctx, txn)
	if err != nil {
		return nil, flatten(err, namesOf(modules, s.caps))
	}
	for result := range done {
		results = append(results, result)
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.DeadlineExceeded):
		return nil, fmt.Errorf("tests: not done within %s: %w", s.allTestsTime, cause)
	case cause != nil:
		return nil, fmt.Errorf("tests: stopped: %w", cause)
	}
	slices.SortFunc(results, func(a, b *tester.Result) int {
		return cmp.Or(a.Location.Compare(b.Location), cmp.Compare(a.Name, b.Name))
	})
	return results, nil
}

func failure(result *tester.Result) error {
	text := fmt.Sprintf("%s:%d: %s ", result.Location.File, result.Location.Row, result.Name)
	if result.Error != nil {
		return fmt.Errorf("%serrs: %w", text, result.Error)
	}
	var cases []string
	for name, sub := range result.SubResults.Iter {
		if sub.Fail && len(sub.SubResults) == 0 {
			cases = append(cases, fmt.Sprintf("%.*q", maxNameBytes, strings.Join(name, "/")))
		}
	}
	switch {
	case len(cases) == 0:
		return errors.New(text + "fails")
	case len(cases) > maxFailedCases:
		cases = append(cases[:maxFailedCases], fmt.Sprintf("%d more", len(cases)-maxFailedCases))
	}
	return fmt.Errorf("%sfails for %s", text, strings.Join(cases, ", "))
}

// withoutTests is a test file with all that is no test, and without the imports
// that only tests use: the compiler refuses those.
func withoutTests(module *ast.Module) *ast.Module {
	rest := module.Copy()
	rest.Rules = slices.DeleteFunc(rest.Rules, func(rule *ast.Rule) bool {
		name := rule.Head.Ref()[0].String()
		return strings.HasPrefix(name, tester.TestPrefix) || strings.HasPrefix(name, tester.SkipTestPrefix)
	})
	used := ast.NewVarSet()
	for _, rule := range rest.Rules {
		ast.WalkVars(rule, func(v ast.Var) bool {
			used.Add(v)
			return false
		})
	}
	rest.Imports = slices.DeleteFunc(rest.Imports, func(i *ast.Import) bool { return !used.Contains(i.Name()) })
	return rest
}
