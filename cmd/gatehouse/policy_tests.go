package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/util"
	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/attestor/dirwatch"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// How patiently policy test --watch waits: an editor may write several files.
const (
	watchQuiet = 100 * time.Millisecond
	watchMost  = time.Second
	watchPoll  = 2 * time.Second
)

// policyTests is the command policy test.
type policyTests struct {
	policyFlags
	answer
	verbose   bool
	filter    string
	values    bool
	coverage  bool
	threshold float64
	watch     bool
}

func newPolicyTest() *cobra.Command {
	var t policyTests
	cmd := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Run a directory's tests",
		Long: `Run the tests of a directory, its _test.rego files, as the plugin does before a
revision takes over, with the same limits on time. The baseline is there, with what
its tests are made of; its own tests don't run.

Answers are as opa test has them.` +
			exitCodes("all tests pass", "a test fails, none ran, or the coverage is below the threshold", "the tests can't be run: DIR can't be read or doesn't compile"),
		Example: `  gatehouse policy test
  gatehouse policy test -v --run launch_age --var-values
  gatehouse policy test --threshold 100 /etc/gatehouse/policy`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.check(cmd); err != nil {
				return err
			}
			if t.watch {
				return t.keepRunning(cmd, t.directory(args))
			}
			return t.once(cmd, t.directory(args))
		},
	}
	t.addBaseline(cmd)
	t.answer.flag(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&t.verbose, "verbose", "v", false, "tell of every test, not of failed ones only")
	flags.StringVarP(&t.filter, "run", "r", "", "run only tests whose name, package included, matches a regular expression")
	flags.BoolVar(&t.values, "var-values", false, "show the line at which a test fails, with the values in it")
	flags.BoolVarP(&t.coverage, "coverage", "c", false, "say which lines of DIR no test evaluates")
	flags.Float64Var(&t.threshold, "threshold", 0, "fail if less than so many percent of the lines are covered; has the coverage measured")
	flags.BoolVarP(&t.watch, "watch", "w", false, "run them again at every change, until interrupted")
	return cmd
}

func (t *policyTests) check(cmd *cobra.Command) error {
	if t.threshold < 0 || t.threshold > 100 {
		return usageErrorf("--threshold is a percentage, from 0 to 100")
	}
	t.coverage = t.coverage || cmd.Flags().Changed("threshold")
	switch {
	case t.watch && t.format != "text":
		return usageErrorf("--watch answers with text only")
	case t.values && t.coverage:
		return usageErrorf("--var-values and --coverage exclude each other")
	}
	if _, err := regexp.Compile(t.filter); err != nil {
		return usageErrorf("--run: %v", err)
	}
	return t.answer.check()
}

// testAnswer is the answer of policy test.
type testAnswer struct {
	Pass     int              `json:"pass"`
	Fail     int              `json:"fail"`
	Error    int              `json:"error"`
	Skip     int              `json:"skip"`
	Results  []*tester.Result `json:"results"`
	Coverage *cover.Report    `json:"coverage,omitempty"`
}

func (t *policyTests) once(cmd *cobra.Command, dir attestor.PolicyDirectory) error {
	run, err := t.run(cmd.Context(), dir)
	if err != nil {
		return t.cannotRun(cmd, err)
	}
	all := testAnswer{Results: run.Results, Coverage: run.Coverage}
	for _, result := range run.Results {
		switch {
		case result.Skip:
			all.Skip++
		case result.Error != nil:
			all.Error++
		case result.Fail:
			all.Fail++
		default:
			all.Pass++
		}
	}
	if err := t.give(cmd, all, func(p *page) { t.text(p, all) }); err != nil {
		return err
	}
	uncovered := run.Coverage != nil && run.Coverage.Coverage < t.threshold
	if all.Pass == 0 || all.Fail > 0 || all.Error > 0 || uncovered {
		return errNo
	}
	return nil
}

// cannotRun tells machines why there are no results; people see the error itself.
func (t *policyTests) cannotRun(cmd *cobra.Command, err error) error {
	if t.format != "json" {
		return err
	}
	var why struct {
		Problems []policyProblem `json:"problems"`
	}
	for _, problem := range attestor.Problems(err) {
		why.Problems = append(why.Problems, located(problem))
	}
	return errors.Join(err, t.give(cmd, why, nil))
}

func (t *policyTests) run(ctx context.Context, dir attestor.PolicyDirectory) (rego.TestRun, error) {
	files, err := dir.Files()
	if err != nil {
		return rego.TestRun{}, err
	}
	return rego.Test(ctx, rego.TestOptions{
		Policy: files, Own: files.Own, Filter: t.filter, Coverage: t.coverage, Trace: t.values,
	})
}

func (t *policyTests) text(p *page, all testAnswer) {
	if len(all.Results) == 0 {
		p.printf("%s\n", p.bad("no tests ran"))
		return
	}
	var report bytes.Buffer
	results := make(chan *tester.Result, len(all.Results))
	for _, result := range all.Results {
		results <- result
	}
	close(results)
	reporter := tester.PrettyReporter{Output: &report, Verbose: t.verbose, FailureLine: t.values, LocalVars: t.values}
	if err := reporter.Report(results); err != nil {
		p.err = err
	}
	for line := range strings.Lines(report.String()) {
		line = shown(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    "))
		switch {
		case strings.HasPrefix(line, "PASS:"):
			line = p.good(line)
		case strings.HasPrefix(line, "FAIL:"), strings.HasPrefix(line, "ERROR:"):
			line = p.bad(line)
		}
		p.printf("%s\n", line)
	}
	if all.Coverage != nil {
		t.coverageText(p, *all.Coverage)
	}
}

// coverageText says which lines no test evaluates.
func (t *policyTests) coverageText(p *page, report cover.Report) {
	text := fmt.Sprintf("COVERAGE: %.1f %% of %d lines", report.Coverage, report.CoveredLines+report.NotCoveredLines)
	if report.Coverage < t.threshold {
		text = p.bad(fmt.Sprintf("%s, less than %g %%", text, t.threshold))
	}
	p.printf("%s\n", text)
	for _, file := range util.KeysSorted(report.Files) {
		lines := []string{}
		for _, missing := range report.Files[file].NotCovered {
			if line := strconv.Itoa(missing.Start.Row); !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
		if len(lines) > 0 {
			p.printf("  %s: not line %s\n", shown(file), strings.Join(lines, ", "))
		}
	}
}

// keepRunning runs the tests at every change until it is interrupted.
func (t *policyTests) keepRunning(cmd *cobra.Command, dir attestor.PolicyDirectory) error {
	if _, err := dir.Files(); err != nil {
		return err
	}
	last := ""
	dirwatch.Run(cmd.Context(), dirwatch.Options{
		Dir: dir.Path, Quiet: watchQuiet, Most: watchMost, Poll: watchPoll,
		Problem: func(error) {}, // polling notices changes too
		Changed: func(time.Time) {
			digest := t.digest(dir)
			if digest == last {
				return
			}
			last = digest
			p := newPage(cmd.OutOrStdout())
			p.printf("%s\n", p.bold("--- "+dir.Path))
			if err := t.once(cmd, dir); err != nil && !errors.Is(err, errNo) {
				printIndented(p, err.Error())
			}
		},
	})
	return nil
}

// digest identifies what is there; an error is something that is there too.
func (t *policyTests) digest(dir attestor.PolicyDirectory) string {
	files, err := dir.Files()
	if err != nil {
		return err.Error()
	}
	digest, err := rego.Digest(files)
	if err != nil {
		return err.Error()
	}
	return digest
}
