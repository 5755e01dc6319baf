package rego

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// selfTest runs the tests in the files that own chooses, as opa test would: with
// the policy's data, but without a plugin's configuration, which tests bring
// themselves. It reports each that does not pass.
//
// Other files' tests don't run, though what they define is there for the chosen
// ones: those of the baseline compare whole answers, to which any rule may add.
func selfTest(ctx context.Context, src *source, own func(file string) bool, caps *ast.Capabilities) (err error) {
	if own == nil {
		return nil
	}
	defer recovered("a test", &err)
	modules := maps.Clone(src.modules)
	chosen := false
	for name, module := range src.tests {
		if own(name) {
			chosen = true
		} else {
			module = withoutTests(module)
		}
		modules[name] = module
	}
	if !chosen {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxAllTestsTime)
	defer cancel()
	store := inmem.NewFromObject(src.data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return err
	}
	defer store.Abort(ctx, txn)
	return runTests(ctx, modules, store, txn, caps)
}

func runTests(ctx context.Context, modules map[string]*ast.Module, store storage.Store, txn storage.Transaction, caps *ast.Capabilities) error {
	results, err := tester.NewRunner().
		SetCompiler(ast.NewCompiler().WithDefaultRegoVersion(ast.RegoV1).WithCapabilities(caps)).
		SetStore(store).
		SetModules(modules).
		SetTimeout(maxTestTime).
		RaiseBuiltinErrors(true).
		CapturePrintOutput(false). // without limit, and nobody reads it
		RunTests(ctx, txn)
	if err != nil {
		return flatten(err)
	}
	var failed []*tester.Result
	for result := range results {
		if !result.Pass() && !result.Skip {
			failed = append(failed, result)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("tests: not done within %s: %w", maxAllTestsTime, ctx.Err())
	}
	slices.SortFunc(failed, func(a, b *tester.Result) int { return a.Location.Compare(b.Location) })
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

// withoutTests is a test file with all that is no test.
func withoutTests(module *ast.Module) *ast.Module {
	rest := module.Copy()
	rest.Rules = slices.DeleteFunc(rest.Rules, func(rule *ast.Rule) bool {
		name := rule.Head.Ref()[0].String()
		return strings.HasPrefix(name, tester.TestPrefix) || strings.HasPrefix(name, tester.SkipTestPrefix)
	})
	return rest
}
