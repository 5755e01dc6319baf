package rego

import (
	"context"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// Coverage remembers which lines of a policy questions came by, and which rules
// gave a value. Watching makes a question take several times as long. It is safe
// for concurrent use, and engines of the same files can share one.
type Coverage struct {
	lines *cover.Cover

	mu    sync.Mutex
	fired map[place]bool
}

var _ topdown.QueryTracer = (*Coverage)(nil)

// NewCoverage has seen nothing yet.
func NewCoverage() *Coverage { return &Coverage{lines: cover.New(), fired: map[place]bool{}} }

type coverageKey struct{}

// WithCoverage has c watch every question that is asked with ctx.
func WithCoverage(ctx context.Context, c *Coverage) context.Context {
	return context.WithValue(ctx, coverageKey{}, c)
}

// tracersOf are who watches the questions that are asked with ctx.
func tracersOf(ctx context.Context) []topdown.QueryTracer {
	if c, ok := ctx.Value(coverageKey{}).(*Coverage); ok {
		return []topdown.QueryTracer{c}
	}
	return nil
}

// Enabled implements topdown.QueryTracer.
func (*Coverage) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (c *Coverage) Config() topdown.TraceConfig { return c.lines.Config() }

// TraceEvent implements topdown.QueryTracer: a rule that is left has a value.
func (c *Coverage) TraceEvent(event topdown.Event) {
	c.lines.TraceEvent(event)
	if rule, ok := event.Node.(*ast.Rule); ok && event.Op == topdown.ExitOp {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fired[placeOf(rule)] = true
	}
}

// A FileCoverage says of each line of a file with something to evaluate whether
// a question came by.
type FileCoverage struct {
	File       string
	Covered    []int // lines, from 1, in order
	NotCovered []int
}

// Files says what was seen of the files that e may ask: those of other plugins'
// packages are left out.
func (c *Coverage) Files(e *Engine) []FileCoverage {
	modules := map[string]*ast.Module{}
	for name, module := range e.modules {
		if !e.ofOtherPlugin(module.Package) {
			modules[name] = module
		}
	}
	report := c.lines.Report(modules)
	files := make([]FileCoverage, 0, len(modules))
	for _, name := range util.KeysSorted(modules) {
		covered := linesOf(report.Files[name].Covered)
		missed := slices.DeleteFunc(linesOf(report.Files[name].NotCovered), func(line int) bool {
			_, also := slices.BinarySearch(covered, line)
			return also
		})
		files = append(files, FileCoverage{File: name, Covered: covered, NotCovered: missed})
	}
	return files
}

// ofOtherPlugin reports whether a package is one that another plugin asks, or is
// below it.
func (e *Engine) ofOtherPlugin(pkg *ast.Package) bool {
	own := packageRef(e.plugin)
	if len(pkg.Path) < len(own) || pkg.Path.HasPrefix(own) {
		return false
	}
	asked := pkg.Path[:len(own)].Append(ast.StringTerm(decision))
	return len(e.compiler.GetRules(asked)) > 0
}

func linesOf(ranges []cover.Range) []int {
	var all []int
	for _, r := range ranges {
		for line := r.Start.Row; line <= r.End.Row; line++ {
			all = append(all, line)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A RuleCoverage says whether one rule that adds to an answer ever did.
type RuleCoverage struct {
	Rule

	// Of is what the rule adds to: "violation", "selector".
	Of string

	Fired bool
}

// Rules says it of all rules that the answers of e are put together of.
func (c *Coverage) Rules(e *Engine) []RuleCoverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	branches := map[place][]place{}
	for _, module := range e.modules {
		for _, rule := range module.Rules {
			for branch := rule; branch != nil; branch = branch.Else {
				branches[placeOf(rule)] = append(branches[placeOf(rule)], placeOf(branch))
			}
		}
	}
	rules := make([]RuleCoverage, 0, len(e.parts))
	for _, p := range e.parts {
		fired := slices.ContainsFunc(branches[p.place], func(at place) bool { return c.fired[at] })
		rules = append(rules, RuleCoverage{Rule: p.Rule, Of: p.of.name, Fired: fired})
	}
	return rules
}
