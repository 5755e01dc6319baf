package rego

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
)

// TestOptions say which tests to run, and what to note.
type TestOptions struct {
	// Policy holds the policy's files, at their paths.
	Policy fs.FS

	// Own says which files' tests run, and of which files coverage is told.
	Own func(file string) bool

	// Filter is a regular expression that a test's name, with its package, must
	// match somewhere; empty for every test.
	Filter string

	// Coverage has the coverage measured, which takes longer.
	Coverage bool

	// Trace has the results say at which line a test fails, with the values there;
	// not together with Coverage.
	Trace bool
}

// A TestRun is what became of tests.
type TestRun struct {
	// Results are in the order of the files, with what the tests printed.
	Results []*tester.Result

	// Coverage is of the chosen files that are no tests; nil if it wasn't asked for.
	Coverage *cover.Report
}

// Test runs a policy's tests as New runs those of Options.SelfTest: it reads,
// compiles and type-checks the policy as New does, and a test that takes too long
// for New fails here too. A test that fails is no error.
func Test(ctx context.Context, opts TestOptions) (TestRun, error) {
	run, err := test(ctx, opts)
	if err != nil {
		return TestRun{}, fmt.Errorf("rego: testing policy: %w", err)
	}
	return run, nil
}

func test(ctx context.Context, opts TestOptions) (TestRun, error) {
	caps := capabilities()
	src, err := readSource(opts.Policy, opts.Own, caps)
	if err != nil {
		return TestRun{}, err
	}
	store, err := newStore(src.data, nil)
	if err != nil {
		return TestRun{}, err
	}
	if _, err := compile(ctx, src, store, caps); err != nil {
		return TestRun{}, err
	}
	tests := newSuite(src, opts.Own, caps)
	tests.filter, tests.prints, tests.trace = opts.Filter, true, opts.Trace
	if opts.Coverage {
		tests.cover = cover.New()
	}
	var run TestRun
	if run.Results, err = tests.run(ctx); err != nil || !opts.Coverage {
		return run, err
	}
	report := tests.cover.Report(src.modules)
	run.Coverage = only(report, func(file string) bool {
		return path.Ext(file) == ".rego" && !isTest(file) && opts.Own(file)
	})
	return run, nil
}

// only is the part of a coverage report that is about the chosen files.
func only(report cover.Report, chosen func(file string) bool) *cover.Report {
	part := &cover.Report{Files: map[string]*cover.FileReport{}}
	for file, lines := range report.Files {
		if chosen(file) {
			part.Files[file] = lines
			part.CoveredLines += lines.CoveredLines
			part.NotCoveredLines += lines.NotCoveredLines
		}
	}
	if all := part.CoveredLines + part.NotCoveredLines; all > 0 {
		part.Coverage = 100 * float64(part.CoveredLines) / float64(all)
	}
	return part
}
