package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// view is a report in the order of the page.
type view struct {
	*replay.Report

	Headline   string
	Classes    []class
	Dimensions []dimension
	Changes    []change // those of all groups, each once, in the order of the log
	Sampled    bool     // there are more than are listed

	Affected     []replay.EntryEffect // entries that are listed
	MoreAffected int
}

type class struct {
	*replay.Class
	Bar    bar
	Groups []group
}

type group struct {
	*replay.Group
	ID  string // in data-groups of its changes
	Bar bar
}

type dimension struct {
	replay.Dimension
	Rows    []row
	Changed bool // something does
}

type row struct {
	replay.WhomRow
	Token string // in data-whom of its changes
	Bars  []bar
}

// bar is a part of a chart that is 100 wide.
type bar struct {
	X, Width float64
	Class    replay.ClassName
	Label    string
}

type change struct {
	*replay.Change
	Groups       string // IDs, between spaces
	Whom         string // tokens, between spaces
	Places       []string
	Headline     string
	Lost, Gained []string
	Asides       []string
	Moved        bool // the agent path is another one
}

func newView(r *replay.Report) *view {
	v := &view{Report: r, Headline: headline(r)}
	tokens := map[[2]string]string{}
	for _, d := range r.Whom {
		for _, w := range d.Rows {
			tokens[[2]string{d.Name, w.Value}] = fmt.Sprintf("w%d", len(tokens))
		}
	}
	if r.Entries != nil {
		v.Affected = r.Entries.Affected[:min(len(r.Entries.Affected), maxEntries)]
		v.MoreAffected = len(r.Entries.Affected) - len(v.Affected)
	}
	inGroups := map[*replay.Change][]string{}
	for i := range r.Classes {
		c := &r.Classes[i]
		shown := class{Class: c, Bar: bar{Width: percent(c.Decisions, r.Log.Replayed), Class: c.Name}}
		for j := range c.Groups {
			g := group{Group: &c.Groups[j], ID: fmt.Sprintf("g%d-%d", i, j), Bar: bar{Width: percent(c.Groups[j].Decisions, c.Decisions), Class: c.Name}}
			for _, sample := range g.Samples {
				inGroups[sample] = append(inGroups[sample], g.ID)
			}
			shown.Groups = append(shown.Groups, g)
		}
		v.Classes = append(v.Classes, shown)
	}
	for c, groups := range inGroups {
		v.Changes = append(v.Changes, newChange(c, groups, tokens))
	}
	slices.SortFunc(v.Changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	v.Sampled = len(v.Changes) < r.Log.Changed
	for _, d := range r.Whom {
		shown := dimension{Dimension: d}
		for _, w := range d.Rows {
			shown.Rows = append(shown.Rows, newRow(w, tokens[[2]string{d.Name, w.Value}]))
			shown.Changed = shown.Changed || w.Changed > 0
		}
		v.Dimensions = append(v.Dimensions, shown)
	}
	return v
}

// headline is what a person should take away who reads nothing else.
func headline(r *replay.Report) string {
	switch {
	case r.Log.Replayed == 0:
		return "Nothing could be replayed"
	case r.Log.Changed == 0:
		return fmt.Sprintf("Nothing changes: %s came out as before", several(r.Log.Replayed, "decision"))
	default:
		return fmt.Sprintf("%s of %s would come out differently", count(r.Log.Changed), several(r.Log.Replayed, "decision"))
	}
}

// newRow has a bar of all classes beside each other, as wide as the share of the
// decisions that change. A decision of several classes is divided among them.
func newRow(w replay.WhomRow, token string) row {
	r := row{WhomRow: w, Token: token}
	sum := 0
	for _, n := range w.Classes {
		sum += n
	}
	x := 0.0
	for _, name := range replay.ClassNames() {
		n := w.Classes[name]
		if n == 0 {
			continue
		}
		width := percent(w.Changed, w.Decisions) * float64(n) / float64(sum)
		r.Bars = append(r.Bars, bar{X: x, Width: width, Class: name, Label: fmt.Sprintf("%s: %d", name, n)})
		x += width
	}
	return r
}

func newChange(c *replay.Change, groups []string, tokens map[[2]string]string) change {
	shown := change{Change: c, Groups: " " + strings.Join(groups, " ") + " ", Whom: " "}
	for _, name := range append([]string{"plugin"}, replay.DimensionNames()...) {
		value, has := c.Whom[name]
		if !has {
			continue
		}
		if name != "plugin" {
			shown.Places = append(shown.Places, name+" "+value)
		}
		if token := tokens[[2]string{name, value}]; token != "" {
			shown.Whom += token + " "
		}
	}
	if c.Old.Outcome == replay.Allowed && c.New.Outcome == replay.Allowed {
		shown.Lost, shown.Gained = replay.Difference(c.Old.Selectors, c.New.Selectors)
	}
	shown.Asides = replay.Asides(c.Old, c.New)
	shown.Moved = c.Old.AgentPath != "" && c.New.AgentPath != "" && c.Old.AgentPath != c.New.AgentPath
	shown.Headline = string(c.Old.Outcome) + " → " + string(c.New.Outcome)
	return shown
}

func percent(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(n) / float64(of)
}
