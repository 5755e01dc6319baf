package replay

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// tally counts results in the order of the log. It is used by one goroutine.
type tally struct {
	options  Options
	log      LogReport
	skipped  remarks
	noted    remarks
	versions map[version]*remark
	classes  map[ClassName]*classTally
	whom     map[string]*whomTally
	entries  *entriesTally

	candidate, compared histogram
}

func newTally(o Options) *tally {
	return &tally{
		options:  o,
		versions: map[version]*remark{},
		classes:  map[ClassName]*classTally{},
		whom:     map[string]*whomTally{},
		entries:  newEntriesTally(o.Entries),
	}
}

func (t *tally) addAll(b *batch) {
	for _, r := range b.results {
		t.log.Lines++
		if r.skipped != nil {
			t.skipped.add(*r.skipped, b.file, r.line)
			continue
		}
		t.add(b.file, r)
	}
}

func (t *tally) add(file string, r result) {
	t.log.Replayed++
	if t.log.From == nil || r.time.Before(*t.log.From) {
		t.log.From = &r.time
	}
	if t.log.To == nil || r.time.After(*t.log.To) {
		t.log.To = &r.time
	}
	for _, why := range r.noted {
		t.noted.add(why, file, r.line)
	}
	if why, seen := t.versions[r.version]; seen {
		if why != nil {
			t.noted.add(*why, file, r.line)
		}
	} else if len(t.versions) < maxVersions {
		why := r.misfit()
		t.versions[r.version] = why
		if why != nil {
			t.noted.add(*why, file, r.line)
		}
	}
	t.candidate.add(r.candidate)
	if r.hasCompared {
		t.compared.add(r.comparison)
	}
	for _, p := range r.whom {
		t.whomOf(p.dimension).add(p.value, r.change)
	}
	if r.change == nil {
		t.log.Unchanged++
		return
	}
	t.log.Changed++
	t.entries.add(r.entries)
	for _, name := range r.change.Classes {
		t.classOf(name).count(r.node)
	}
	for _, h := range r.hits {
		t.classOf(h.class).add(h, r, t.log.Replayed, t.options.Samples)
	}
}

func (t *tally) classOf(name ClassName) *classTally {
	c := t.classes[name]
	if c == nil {
		c = &classTally{groups: map[string]*groupTally{}, nodes: map[uint64]bool{}}
		t.classes[name] = c
	}
	return c
}

func (t *tally) whomOf(dimension string) *whomTally {
	w := t.whom[dimension]
	if w == nil {
		w = &whomTally{rows: map[string]*WhomRow{}}
		t.whom[dimension] = w
	}
	return w
}

// report sums up. Where samples were denied is asked now that it is known which
// decisions are samples.
func (t *tally) report(ctx context.Context, files int) (*Report, error) {
	t.log.Files = files
	t.log.Skipped, t.log.Noted = t.skipped.list, t.noted.list
	r := &Report{
		Policy: t.options.Candidate.Name, Against: "recorded", Log: t.log, Time: TimeReport{Candidate: t.candidate.times()},
		Classes: []Class{}, Whom: []Dimension{}, // lists in the JSON, though they be empty
	}
	times := t.compared.times()
	if t.options.Against != nil {
		r.Against = t.options.Against.Name
		r.Time.Against = &times
	} else if times.Decisions > 0 {
		r.Time.Recorded = &times
	}
	for _, c := range classes {
		counted := t.classes[c.name]
		if counted == nil {
			continue
		}
		class := counted.class()
		class.Name, class.Title, class.Meaning, class.Dangerous = c.name, c.title, c.meaning, c.dangerous
		for i := range class.Groups {
			if err := t.locate(ctx, c.name, &class.Groups[i]); err != nil {
				return nil, err
			}
		}
		r.Classes = append(r.Classes, class)
	}
	for _, name := range append([]string{"plugin"}, DimensionNames()...) {
		if w := t.whom[name]; w != nil {
			r.Whom = append(r.Whom, w.dimension(name))
		}
	}
	r.Entries = t.entries.report()
	r.Verdict, r.Because = verdict(r)
	return r, nil
}

// locate finds where the rules are that deny the samples of a group: by name if
// there is one rule of it, and otherwise by asking again.
func (t *tally) locate(ctx context.Context, class ClassName, g *Group) error {
	if class != NewlyDenied && class != OtherReasons {
		return nil
	}
	for i, change := range g.Samples {
		if change.New.At == nil {
			if err := change.locate(ctx, i < maxSitesSamples); err != nil {
				return err
			}
		}
		if class == NewlyDenied {
			sites := change.again.sites([]string{g.Key}, change.New)
			if len(sites) == 0 && len(change.New.rules()) == 1 { // its name does not show in its text
				sites = change.New.At
			}
			g.At = append(g.At, sites...)
			for _, rule := range change.again.rules() {
				if rule.Name == g.Key && slices.Contains(sites, site(rule)) {
					g.Title = cmp.Or(g.Title, rule.Title)
				}
			}
		}
	}
	slices.Sort(g.At)
	g.At = slices.Compact(g.At)
	return nil
}

// classTally counts one class.
type classTally struct {
	decisions int
	nodes     map[uint64]bool // by hash
	more      bool
	groups    map[string]*groupTally
	ungrouped int
}

type groupTally struct {
	decisions int
	sample    sample
	entries   map[string]bool
}

// count counts a decision, which may be in several groups.
func (c *classTally) count(node string) {
	c.decisions++
	if node == "" {
		return
	}
	hash := hashOf(node)
	if c.nodes[hash] {
		return
	}
	if len(c.nodes) == maxNodes {
		c.more = true
		return
	}
	c.nodes[hash] = true
}

func (c *classTally) add(h hit, r result, order, samples int) {
	g := c.groups[h.group]
	if g == nil {
		if len(c.groups) == maxGroups {
			c.ungrouped++
			return
		}
		g = &groupTally{sample: sample{max: samples}, entries: map[string]bool{}}
		c.groups[h.group] = g
	}
	g.decisions++
	g.sample.add(r.change, order)
	for _, e := range r.entries {
		if e.by(h) && len(g.entries) < maxGroupEntries {
			g.entries[e.id] = true
		}
	}
}

func (c *classTally) class() Class {
	class := Class{Decisions: c.decisions, Nodes: len(c.nodes), NodesAtLeast: c.more, Ungrouped: c.ungrouped}
	for key, g := range c.groups {
		class.Groups = append(class.Groups, Group{
			Key: key, Decisions: g.decisions, Samples: g.sample.changes(), Entries: slices.Sorted(maps.Keys(g.entries)),
		})
	}
	slices.SortFunc(class.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Decisions, a.Decisions), cmp.Compare(a.Key, b.Key))
	})
	return class
}

// remarks are counted by what they say.
type remarks struct{ list []Remark }

func (r *remarks) add(what remark, file string, line int) {
	at := slices.IndexFunc(r.list, func(known Remark) bool { return known.Why == what.why })
	switch {
	case at >= 0:
		r.list[at].Lines++
	case len(r.list) == maxRemarks:
		r.list[maxRemarks-1].Lines++
	default:
		if len(r.list) == maxRemarks-1 {
			what = remark{why: "has something else about it, of which there are too many kinds"}
		}
		r.list = append(r.list, Remark{Why: what.why, Lines: 1, First: fmt.Sprintf("%s:%d", file, line), Detail: what.detail, loading: what.loading})
	}
}

func site(rule rego.Rule) string { return fmt.Sprintf("%s:%d", rule.File, rule.Line) }
