package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// What the text shows of each, the rest being in the JSON and on the page.
const (
	shownGroups  = 10
	shownSamples = 3
	shownEntries = 10
)

// showReplay writes a report for people.
func showReplay(p *page, r *replay.Report) {
	verdict := map[replay.Verdict]func(string) string{replay.Safe: p.good, replay.Changes: p.warn, replay.Dangerous: p.bad, replay.None: p.bad}
	p.printf("%s: policy %s against %s\n", verdict[r.Verdict](string(r.Verdict)), shown(r.Policy), shown(r.Against))
	showLog(p, &r.Log)
	for _, class := range r.Classes {
		showClass(p, &class)
	}
	if r.Entries != nil {
		showEntries(p, r.Entries)
	}
	if len(r.Classes) > 0 {
		showWhom(p, r.Whom)
	}
	if r.Coverage != nil {
		showCoverage(p, r.Coverage)
	}
	if r.Log.Replayed > 0 {
		showTimes(p, &r.Time)
	}
}

func showLog(p *page, log *replay.LogReport) {
	p.printf("  %s in %s: %d replayed, %d unchanged, %d changed\n", several(log.Lines, "line"), several(log.Files, "file"), log.Replayed, log.Unchanged, log.Changed)
	if log.From != nil {
		p.printf("  %s\n", p.faint(fmt.Sprintf("made from %s to %s", log.From.Format(time.RFC3339), log.To.Format(time.RFC3339))))
	}
	for _, remark := range log.Skipped {
		showRemark(p, "skipped", remark)
	}
	for _, remark := range log.Noted {
		showRemark(p, "noted", remark)
	}
}

func showRemark(p *page, title string, remark replay.Remark) {
	p.printf("  %s %s, first %s: %s\n", p.warn(title), several(remark.Lines, "line"), shown(remark.First), shown(remark.Why))
	for line := range strings.Lines(remark.Detail) {
		p.printf("      %s\n", p.faint(shown(strings.TrimSuffix(line, "\n"))))
	}
}

func showClass(p *page, class *replay.Class) {
	title := p.warn
	if class.Dangerous {
		title = p.bad
	}
	nodes := several(class.Nodes, "node")
	if class.NodesAtLeast {
		nodes = "more than " + nodes
	}
	p.printf("\n%s: %s of %s\n", title(class.Title), several(class.Decisions, "decision"), nodes)
	p.printf("  %s\n", p.faint(class.Meaning))
	for i, group := range class.Groups {
		if i == shownGroups {
			p.printf("  %s\n", p.faint(fmt.Sprintf("… and %s more", several(len(class.Groups)-i, "group"))))
			break
		}
		showGroup(p, &group)
	}
	if class.Ungrouped > 0 {
		p.printf("  %s\n", p.faint(fmt.Sprintf("… and %s of groups for which there was no room", several(class.Ungrouped, "decision"))))
	}
}

func showGroup(p *page, group *replay.Group) {
	p.printf("  %6d  %s", group.Decisions, p.bold(shown(group.Key)))
	if group.Title != "" {
		p.printf("  %s", shown(group.Title))
	}
	if len(group.At) > 0 {
		p.printf("  %s", shown(strings.Join(group.At, ", ")))
	}
	p.printf("\n")
	for i, c := range group.Samples {
		if i == shownSamples {
			break
		}
		p.printf("          %s %s %s\n", p.faint(shown(c.DecisionID)), shown(c.Node), p.faint(fmt.Sprintf("%s:%d", shown(c.File), c.Line)))
		for _, line := range difference(c) {
			p.printf("            %s\n", shown(line))
		}
	}
	if len(group.Entries) > 0 {
		p.printf("          registration entries: %s\n", shown(strings.Join(group.Entries, ", ")))
	}
}

// difference says in some lines what is different.
func difference(c *replay.Change) []string {
	var lines []string
	if c.New.Error != "" {
		lines = append(lines, "no answer: "+c.New.Error)
	}
	gone, added := replay.Reasons(c.Old, c.New)
	for _, v := range gone {
		lines = append(lines, "then: "+v.Rule+": "+v.Msg)
	}
	for _, v := range added {
		lines = append(lines, "now: "+v.Rule+": "+v.Msg)
	}
	if c.Old.AgentPath != c.New.AgentPath && c.Old.AgentPath != "" && c.New.AgentPath != "" {
		lines = append(lines, c.Old.AgentPath+" → "+c.New.AgentPath)
	}
	if c.Old.Outcome == replay.Allowed && c.New.Outcome == replay.Allowed {
		lost, gained := replay.Difference(c.Old.Selectors, c.New.Selectors)
		for _, s := range lost {
			lines = append(lines, "- "+s)
		}
		for _, s := range gained {
			lines = append(lines, "+ "+s)
		}
	}
	return append(lines, replay.Asides(c.Old, c.New)...)
}

func showEntries(p *page, r *replay.EntriesReport) {
	p.printf("\n%s: %d of %d\n", p.bold("Registration entries affected"), len(r.Affected), r.Read)
	for i, e := range r.Affected {
		if i == shownEntries {
			p.printf("  %s\n", p.faint(fmt.Sprintf("… and %d more", len(r.Affected)-i)))
			break
		}
		p.printf("  %s  %s: lost in %d decisions", shown(e.ID), shown(e.SPIFFEID), e.Lost)
		if e.Detached > 0 {
			p.printf(", %s", p.bad(fmt.Sprintf("%d of nodes that are still let in", e.Detached)))
		}
		p.printf(", gained in %d; %s below it\n", e.Gained, severalEntries(e.Below))
	}
}

func severalEntries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func showWhom(p *page, dimensions []replay.Dimension) {
	p.printf("\n%s\n", p.bold("Changed decisions, by whom they are about"))
	for _, d := range dimensions {
		for _, row := range d.Rows {
			if row.Changed > 0 {
				p.printf("  %-12s  %s: %d of %d\n", d.Name, shown(row.Value), row.Changed, row.Decisions)
			}
		}
	}
}

func showCoverage(p *page, c *replay.Coverage) {
	p.printf("\n%s: %d of %d lines\n", p.bold("Exercised by these decisions"), c.Covered, c.Lines)
	for _, rule := range c.Rules {
		if !rule.Fired {
			p.printf("  %s  %s %s  %s\n", p.warn("never fired"), rule.Of, shown(rule.Rule), shown(rule.At))
		}
	}
	for _, f := range c.Files {
		if len(f.NotCovered) > 0 {
			p.printf("  %s  %s: lines %s\n", p.faint("not reached"), shown(f.File), f.Gaps())
		}
	}
	for _, f := range c.Facts {
		text := fmt.Sprintf("without %s fact %s: %d of %d would still be let in, %d of them with other selectors", f.Plugin, shown(f.Fact), f.Survived, f.Allowed, f.Selectors)
		if f.Unguarded {
			text += ": " + p.warn("no rule insists on it")
		}
		p.printf("  %s\n", text)
	}
}

func showTimes(p *page, r *replay.TimeReport) {
	p.printf("\n%s\n", p.bold("Time of policy per decision"))
	show := func(name string, t *replay.Times) {
		if t != nil {
			p.printf("  %-20s  median %s, 99 of 100 within %s\n", name, t.P50.Round(time.Microsecond), t.P99.Round(time.Microsecond))
		}
	}
	show("recorded, elsewhere", r.Recorded)
	show("compared with", r.Against)
	show("candidate", &r.Candidate)
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
