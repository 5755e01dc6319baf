package replay

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// A Coverage says what of the candidate the recorded decisions exercise.
type Coverage struct {
	Lines   int            `json:"lines"` // that can be evaluated
	Covered int            `json:"covered"`
	Files   []FileCoverage `json:"files"`
	Rules   []RuleCoverage `json:"rules"` // checks and whatever else adds to answers
	Facts   []FactCoverage `json:"facts"`
}

// A FileCoverage is of a file of the candidate.
type FileCoverage struct {
	File       string `json:"file"`
	Lines      int    `json:"lines"`
	Covered    int    `json:"covered"`
	NotCovered []int  `json:"not_covered,omitempty"`
}

// Gaps writes the lines that are not covered as people do: 3-5, 9.
func (f FileCoverage) Gaps() string {
	var gaps []string
	for i := 0; i < len(f.NotCovered); {
		last := i
		for last+1 < len(f.NotCovered) && f.NotCovered[last+1] == f.NotCovered[last]+1 {
			last++
		}
		gap := strconv.Itoa(f.NotCovered[i])
		if last > i {
			gap += "-" + strconv.Itoa(f.NotCovered[last])
		}
		gaps = append(gaps, gap)
		i = last + 1
	}
	return strings.Join(gaps, ", ")
}

// A RuleCoverage says whether a rule ever gave a value.
type RuleCoverage struct {
	Rule  string `json:"rule,omitempty"` // of a check
	Of    string `json:"of"`             // what it adds to: "violation", "selector"
	At    string `json:"at"`             // file:line
	Title string `json:"title,omitempty"`
	Fired bool   `json:"fired"`
}

// A FactCoverage says what the loss of a fact would do, which is then absent: how
// many nodes that are let in with it are let in without it.
type FactCoverage struct {
	Plugin string `json:"plugin"`
	Fact   string `json:"fact"`

	Allowed  int `json:"allowed"`  // decisions that let a node in and have the fact
	Survived int `json:"survived"` // of them, those that would without it

	// Unguarded: no node would be refused. No rule insists on the fact.
	Unguarded bool `json:"unguarded"`

	// Selectors is how many of those that survive would have other selectors.
	Selectors int `json:"selectors"`
}

// coverage collects a Coverage. It is safe for concurrent use.
type coverage struct {
	seen *rego.Coverage

	mu      sync.Mutex
	engines map[string]*rego.Engine // one for each plugin
	facts   map[[2]string]*FactCoverage
}

func newCoverage() *coverage {
	return &coverage{seen: rego.NewCoverage(), engines: map[string]*rego.Engine{}, facts: map[[2]string]*FactCoverage{}}
}

// watch has the questions watched that are asked of engine with the context.
func (c *coverage) watch(ctx context.Context, plugin string, engine *rego.Engine) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engines[plugin] = engine
	return rego.WithCoverage(ctx, c.seen)
}

// dropFacts asks about a node that is let in once more for each of the facts that this
// was decided with, as if the cloud said that there is no such thing.
func (c *coverage) dropFacts(in rego.Input, facts map[string]any, with *Answer, ask func(rego.Input) *Answer) {
	for name := range facts {
		less := in
		less.Facts, less.FactsStatus = maps.Clone(in.Facts), maps.Clone(in.FactsStatus)
		delete(less.Facts, name)
		if less.FactsStatus == nil {
			less.FactsStatus = map[string]string{}
		}
		less.FactsStatus[name] = absent
		c.count(in.Plugin, name, with, ask(less))
	}
}

func (c *coverage) count(plugin, fact string, with, without *Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := [2]string{plugin, fact}
	f := c.facts[key]
	if f == nil {
		f = &FactCoverage{Plugin: plugin, Fact: fact}
		c.facts[key] = f
	}
	f.Allowed++
	if without.Outcome == Allowed {
		f.Survived++
		if !slices.Equal(with.Selectors, without.Selectors) {
			f.Selectors++
		}
	}
}

func (c *coverage) report() *Coverage {
	r := &Coverage{Files: []FileCoverage{}, Rules: []RuleCoverage{}, Facts: []FactCoverage{}}
	inFile := map[string]bool{}
	atRule := map[string]bool{}
	for _, plugin := range slices.Sorted(maps.Keys(c.engines)) {
		engine := c.engines[plugin]
		for _, f := range c.seen.Files(engine) {
			lines := len(f.Covered) + len(f.NotCovered)
			if inFile[f.File] || lines == 0 {
				continue
			}
			inFile[f.File] = true
			r.Lines += lines
			r.Covered += len(f.Covered)
			r.Files = append(r.Files, FileCoverage{File: f.File, Lines: lines, Covered: len(f.Covered), NotCovered: f.NotCovered})
		}
		for _, rule := range c.seen.Rules(engine) {
			if at := site(rule.Rule); !atRule[at] {
				atRule[at] = true
				r.Rules = append(r.Rules, RuleCoverage{Rule: rule.Name, Of: rule.Of, At: at, Title: rule.Title, Fired: rule.Fired})
			}
		}
	}
	for _, f := range c.facts {
		f.Unguarded = f.Survived == f.Allowed
		r.Facts = append(r.Facts, *f)
	}
	slices.SortFunc(r.Facts, func(a, b FactCoverage) int {
		return cmp.Or(cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.Fact, b.Fact))
	})
	return r
}
