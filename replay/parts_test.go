package replay

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/rego"
)

func TestPatterns(t *testing.T) {
	for selector, want := range map[string]string{
		"az:us-west-2b":                          "az:*",
		"tag:Name:blog":                          "tag:Name:*",
		"tag:url:http://x:80":                    "tag:url:*",
		"tag:cost center:7":                      "tag:*",
		"iamrole:arn:aws:iam::123456789012:role": "iamrole:arn:*",
		"web":                                    "web",
	} {
		if got := selectorPattern(selector); got != want {
			t.Errorf("%s: got %s, want %s", selector, got, want)
		}
	}
	values := map[string]string{"account_id": "123456789012", "instance_id": "i-0a", "region": "us-west-2", "tag Name": "blog"}
	for path, want := range map[string]string{
		"/spire/agent/aws_iid/123456789012/us-west-2/i-0a": "/spire/agent/aws_iid/{account_id}/{region}/{instance_id}",
		"/spire/agent/aws_iid/blog/n-i-0a":                 "/spire/agent/aws_iid/{tag Name}/n-{instance_id}",
		"/spire/agent/aws_iid/x/0f00-12":                   "/spire/agent/aws_iid/x/#",
	} {
		if got := pathPattern(path, values); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got, want := errorGroup(`selectors: "tag:é\x" has 256 bytes, more than 255`), `selectors: "…" has # bytes, more than #`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCompare(t *testing.T) {
	denied := func(rules ...string) *Answer {
		a := &Answer{Outcome: Denied}
		for _, rule := range rules {
			a.Denials = append(a.Denials, rego.Violation{Rule: rule, Msg: "m"})
		}
		return a
	}
	allowed := &Answer{Outcome: Allowed, AgentPath: "/spire/agent/aws_iid/a", Selectors: []string{"az:a", "tag:x:1"}}
	with := func(change func(*Answer)) *Answer {
		a := *allowed
		change(&a)
		return &a
	}
	for name, tc := range map[string]struct {
		old, now *Answer
		want     []hit
	}{
		"the same":         {old: allowed, now: allowed},
		"denied as before": {old: denied("a"), now: denied("a")},
		"newly denied":     {old: allowed, now: denied("b", "a", "b"), want: []hit{{NewlyDenied, "a"}, {NewlyDenied, "b"}}},
		"newly allowed":    {old: denied("a", "b"), now: allowed, want: []hit{{NewlyAllowed, "a"}, {NewlyAllowed, "b"}}},
		"other reasons":    {old: denied("a", "b"), now: denied("b"), want: []hit{{OtherReasons, "a, b → b"}}},
		"for good": {old: &Answer{Outcome: Denied, Denials: []rego.Violation{{Rule: "a", Msg: "m", Transient: true}}}, now: denied("a"),
			want: []hit{{OtherReasons, "a → a, for good"}}},
		"for now": {old: denied("a", "b"), now: &Answer{Outcome: Denied, Denials: []rego.Violation{{Rule: "a", Msg: "m", Transient: true}}},
			want: []hit{{OtherReasons, "a, b → a, for now"}}},
		"no answer":        {old: denied("a"), now: &Answer{Outcome: Failed, Error: "e"}, want: []hit{{NoAnswer, "e"}}},
		"as before none":   {old: &Answer{Outcome: Failed, Error: "d"}, now: &Answer{Outcome: Failed, Error: "e"}},
		"an answer again":  {old: &Answer{Outcome: Failed, Error: "d"}, now: allowed, want: []hit{{NewlyAllowed, "no answer"}}},
		"not decided then": {old: &Answer{Outcome: Unknown}, now: denied("a")},
		"can't be told":    {old: allowed, now: &Answer{Outcome: Unknown, Lacking: []string{"eks", "tofu"}}, want: []hit{{FactsLacking, "eks"}, {FactsLacking, "tofu"}}},
		"decided without":  {old: allowed, now: with(func(a *Answer) { a.Lacking = []string{"eks"} }), want: []hit{{FactsLacking, "eks; decided without it"}}},
		"denied without": {old: allowed, now: &Answer{Outcome: Denied, Denials: denied("a").Denials, Lacking: []string{"eks"}},
			want: []hit{{NewlyDenied, "a"}, {FactsLacking, "eks; decided without it"}}},
		"may be let in": {old: denied("a"), now: &Answer{Outcome: Unknown, Lacking: []string{"eks"}}, want: []hit{{FactsLacking, "eks; refused then by a"}}},
		"path of one that was turned away": {old: &Answer{Outcome: Denied, AgentPath: "/spire/agent/aws_iid/a", Denials: denied("tofu").Denials},
			now:  &Answer{Outcome: Unknown, AgentPath: "/spire/agent/aws_iid/b", Lacking: []string{"eks"}},
			want: []hit{{FactsLacking, "eks; refused then by tofu"}, {AgentIDChanged, "/spire/agent/aws_iid/a → /spire/agent/aws_iid/b"}}},
		"path": {old: allowed, now: with(func(a *Answer) { a.AgentPath = "/spire/agent/aws_iid/b" }),
			want: []hit{{AgentIDChanged, "/spire/agent/aws_iid/a → /spire/agent/aws_iid/b"}}},
		"path of a replay": {old: &Answer{Outcome: Denied, AgentPath: "/spire/agent/aws_iid/a", Denials: denied("tofu").Denials},
			now:  with(func(a *Answer) { a.AgentPath = "/spire/agent/aws_iid/b" }),
			want: []hit{{NewlyAllowed, "tofu"}, {AgentIDChanged, "/spire/agent/aws_iid/a → /spire/agent/aws_iid/b"}}},
		"path of one refused": {old: allowed, now: &Answer{Outcome: Denied, AgentPath: "/spire/agent/aws_iid/b", Denials: denied("a").Denials}, want: []hit{{NewlyDenied, "a"}}},
		"selectors": {old: allowed, now: with(func(a *Answer) { a.Selectors = []string{"az:b", "tag:x:1", "tag:x:2", "tag:y:1"} }),
			want: []hit{{SelectorsLost, "az:*"}, {SelectorsGained, "az:*"}, {SelectorsGained, "tag:x:*"}, {SelectorsGained, "tag:y:*"}}},
		"may attest again": {old: allowed, now: with(func(a *Answer) { a.CanReattest = true }), want: []hit{{Reattestation, "may attest again"}}},
		"may no longer":    {old: with(func(a *Answer) { a.CanReattest = true }), now: allowed, want: []hit{{Reattestation, "may no longer attest again"}}},
		"warnings": {old: with(func(a *Answer) { a.Warnings = denied("a").Denials }), now: with(func(a *Answer) { a.Warnings = denied("b").Denials }),
			want: []hit{{Warnings, "warns: b"}, {Warnings, "no longer warns: a"}}},
		"exemptions": {old: with(func(a *Answer) { a.Exempt = []string{"a"} }), now: allowed, want: []hit{{Exemptions, "no longer exempt: a"}}},
	} {
		got := compare(tc.old, tc.now, func() map[string]string { return nil })
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(hit{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestLimits: what a report keeps does not grow with the log, and what there is no
// room for is counted.
func TestLimits(t *testing.T) {
	tl := newTally(Options{Samples: 3})
	const decisions = maxGroups + maxWhomValues
	for i := range decisions {
		id := fmt.Sprint(i)
		tl.addAll(&batch{file: "log", results: []result{
			{line: 2 * i, skipped: &remark{why: "why " + id}},
			{
				line: 2*i + 1, node: "node " + id, misfit: func() *remark { return nil }, whom: []place{{"plugin", "p" + id}},
				hits: []hit{{NewlyDenied, "rule " + id}, {NewlyDenied, "common"}}, change: &Change{DecisionID: id, Classes: []ClassName{NewlyDenied}},
			},
		}})
	}
	class := tl.classes[NewlyDenied].class()
	common := class.Groups[0]
	if class.Decisions != decisions || class.Nodes != decisions || len(class.Groups) != maxGroups || class.Ungrouped != decisions-maxGroups+1 ||
		common.Key != "common" || common.Decisions != decisions || len(common.Samples) != 3 {
		t.Errorf("%d decisions, %d nodes, %d groups, %d ungrouped, the first %s: %d with %d samples", class.Decisions, class.Nodes, len(class.Groups), class.Ungrouped, common.Key, common.Decisions, len(common.Samples))
	}
	if n := len(tl.whom["plugin"].rows); n != maxWhomValues {
		t.Errorf("%d values are told apart", n)
	}
	whom := tl.whom["plugin"].dimension("plugin")
	if len(whom.Rows) != maxWhomRows || whom.Others != decisions-maxWhomRows {
		t.Errorf("%d rows, %d others", len(whom.Rows), whom.Others)
	}
	remarks := tl.skipped.list
	if len(remarks) != maxRemarks || remarks[maxRemarks-2].Why != fmt.Sprint("why ", maxRemarks-2) || !strings.HasPrefix(remarks[maxRemarks-1].Why, "has something else") || remarks[maxRemarks-1].Lines != decisions-maxRemarks+1 {
		t.Errorf("%d remarks, the last of %d lines", len(remarks), remarks[len(remarks)-1].Lines)
	}
}

// TestSample: each has about the same chance, and order does not matter.
func TestSample(t *testing.T) {
	const all, max = 10_000, 200
	forth, back := sample{max: max}, sample{max: max}
	for i := range all {
		forth.add(&Change{DecisionID: fmt.Sprint(i)}, i)
		back.add(&Change{DecisionID: fmt.Sprint(all - 1 - i)}, all-1-i)
	}
	var late int
	var ids [2][]string
	for which, s := range []sample{forth, back} {
		for _, c := range s.changes() {
			ids[which] = append(ids[which], c.DecisionID)
		}
	}
	for _, d := range forth.kept {
		if d.order >= all/2 {
			late++
		}
	}
	if diff := cmp.Diff(ids[0], ids[1]); diff != "" || len(ids[0]) != max {
		t.Errorf("%d samples (-forth +back):\n%s", len(ids[0]), diff)
	}
	if late < max/3 || late > max*2/3 {
		t.Errorf("%d of %d samples are of the second half", late, max)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	h.add(-1)
	for share, want := range map[float64]time.Duration{0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: time.Millisecond} {
		if got := h.quantile(share); math.Abs(float64(got-want)) > float64(want)/16 {
			t.Errorf("%v: got %v, want about %v", share, got, want)
		}
	}
	for _, d := range []time.Duration{0, 15, 16, 31, 32, time.Second, math.MaxInt64} {
		if b := bucket(d); upTo(b) < d || b > 0 && upTo(b-1) >= d {
			t.Errorf("%v is not in bucket %d", d, b)
		}
	}
}

func TestEntries(t *testing.T) {
	e, err := ReadEntries(strings.NewReader(`{"entries": [
		{"id": "group", "spiffe_id": {"trust_domain": "td", "path": "/web"}, "parent_id": {"trust_domain": "td", "path": "/spire/server"},
			"selectors": [{"type": "aws_iid", "value": "tag:team:web"}, {"type": "aws_iid", "value": "az:a"}]},
		{"id": "mixed", "spiffe_id": {"trust_domain": "td", "path": "/x"}, "parent_id": {"trust_domain": "td", "path": "/spire/server"},
			"selectors": [{"type": "aws_iid", "value": "az:a"}, {"type": "x509pop", "value": "x"}]},
		{"id": "of old", "spiffe_id": {"trust_domain": "td", "path": "/old"}, "parent_id": {"trust_domain": "td", "path": "/spire/agent/aws_iid/old"}, "selectors": []},
		{"id": "of new", "spiffe_id": {"trust_domain": "td", "path": "/new"}, "parent_id": {"trust_domain": "td", "path": "/spire/agent/aws_iid/new"}, "selectors": []},
		{"id": "below", "spiffe_id": {"trust_domain": "td", "path": "/web/1"}, "parent_id": {"trust_domain": "td", "path": "/web"}, "selectors": []},
		{"id": "further below", "spiffe_id": {"trust_domain": "td", "path": "/web"}, "parent_id": {"trust_domain": "td", "path": "/web/1"}, "selectors": []}
	]}`))
	if err != nil {
		t.Fatal(err)
	}
	in := rego.Input{Plugin: "aws_iid", TrustDomain: "td"}
	old := &Answer{Outcome: Allowed, AgentPath: "/spire/agent/aws_iid/old", Selectors: []string{"az:a", "tag:team:web"}}
	now := &Answer{Outcome: Allowed, AgentPath: "/spire/agent/aws_iid/new", Selectors: []string{"az:a"}}
	patterns := []string{"az:*", "tag:team:*"}
	for name, tc := range map[string]struct {
		now  *Answer
		want []entryHit
	}{
		"moved":   {now, []entryHit{{entry: 0, id: "group", let: true, patterns: patterns}, {entry: 2, id: "of old", let: true}, {entry: 3, id: "of new", gained: true, let: true}}},
		"refused": {&Answer{Outcome: Denied}, []entryHit{{entry: 0, id: "group", patterns: patterns}, {entry: 2, id: "of old"}}},
		"unknown": {&Answer{Outcome: Unknown}, nil},
		"same":    {old, nil},
	} {
		if diff := cmp.Diff(tc.want, e.affected(in, old, tc.now), cmp.AllowUnexported(entryHit{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if n := e.below(0); n != 2 {
		t.Errorf("%d entries are below the group, want 2, though they are in a circle", n)
	}
	for _, text := range []string{"", "[]", "{}", `{"entries": [{"id": "x"}]}`, `{"entries": []}{"entries": []}`, `{"entries": [], "entries": []} x`} {
		if _, err := ReadEntries(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "spire-server entry show -output json prints") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// TestEntriesOfOneGroup: several entries can stand for one group of nodes. Who leaves by
// one of them and is in it by another has not left.
func TestEntriesOfOneGroup(t *testing.T) {
	const entry = `{"id": %q, "spiffe_id": {"trust_domain": "td", "path": %q}, "parent_id": {"trust_domain": "td", "path": "/spire/server"}, "selectors": [{"type": "aws_iid", "value": %q}]}`
	e, err := ReadEntries(strings.NewReader(`{"entries": [` + fmt.Sprintf(entry+","+entry+","+entry, "web by team", "/web", "tag:team:web", "web by type", "/web", "type:web", "blog", "/blog", "tag:team:web") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	in := rego.Input{Plugin: "aws_iid", TrustDomain: "td"}
	byTeam := &Answer{Outcome: Allowed, AgentPath: "/spire/agent/aws_iid/x", Selectors: []string{"tag:team:web"}}
	byType := &Answer{Outcome: Allowed, AgentPath: "/spire/agent/aws_iid/x", Selectors: []string{"type:web"}}
	want := []entryHit{{entry: 2, id: "blog", let: true, patterns: []string{"tag:team:*"}}}
	if diff := cmp.Diff(want, e.affected(in, byTeam, byType), cmp.AllowUnexported(entryHit{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want[0].gained = true
	if diff := cmp.Diff(want, e.affected(in, byType, byTeam), cmp.AllowUnexported(entryHit{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEntriesOfGroups: a group names the entries that come or go by what it has in
// common, and no others of the same decisions.
func TestEntriesOfGroups(t *testing.T) {
	below := entryHit{id: "below the agent"}
	team := entryHit{id: "lost by team", patterns: []string{"az:*", "tag:team:*"}}
	kind := entryHit{id: "gained by type", gained: true, patterns: []string{"type:*"}}
	for h, want := range map[hit][]string{
		{AgentIDChanged, "a → b"}:       {"below the agent"},
		{SelectorsLost, "tag:team:*"}:   {"lost by team"},
		{SelectorsLost, "image:id:*"}:   nil,
		{SelectorsGained, "type:*"}:     {"gained by type"},
		{SelectorsGained, "tag:team:*"}: nil,
		{NewlyDenied, "owners"}:         {"below the agent", "lost by team"},
		{NewlyAllowed, "owners"}:        {"gained by type"},
		{Warnings, "warns: old"}:        nil,
		{Reattestation, "may"}:          nil,
	} {
		c := &classTally{nodes: map[uint64]bool{}, groups: map[string]*groupTally{}}
		c.add(h, result{entries: []entryHit{below, team, kind}, change: &Change{}}, 1, 1)
		if diff := cmp.Diff(want, c.class().Groups[0].Entries); diff != "" {
			t.Errorf("%v (-want +got):\n%s", h, diff)
		}
	}
}

// TestJUnitOfEntries: so many entries are named that lose nodes, and no others.
func TestJUnitOfEntries(t *testing.T) {
	e := &EntriesReport{Affected: []EntryEffect{{Entry: Entry{ID: "gains"}, Gained: 1}}}
	if c := e.junitCase(); c.Failure != nil || c.Name != "none" {
		t.Errorf("got %+v", c)
	}
	for i := range maxJUnitEntries {
		e.Affected = append(e.Affected, EntryEffect{Entry: Entry{ID: fmt.Sprint("loses ", i), SPIFFEID: "spiffe://td/x"}, Lost: 3, Detached: 2})
	}
	e.Detached = maxJUnitEntries
	text := e.junitCase().Failure.Text
	if lines := strings.Split(text, "\n"); len(lines) != maxJUnitEntries+1 || lines[0] != "loses 0 spiffe://td/x: lost in 2 decisions of nodes that are still let in" {
		t.Errorf("got\n%s", text)
	}
	e.Affected, e.Detached = append(e.Affected, EntryEffect{Entry: Entry{ID: "last"}, Lost: 1, Detached: 1}), e.Detached+1
	if text := e.junitCase().Failure.Text; !strings.HasSuffix(text, "\nand 1 more\n") {
		t.Errorf("got\n%s", text)
	}
}

// TestAsides: what is different besides path and selectors is told with its messages.
func TestAsides(t *testing.T) {
	old := &Answer{Outcome: Allowed, Warnings: []rego.Violation{{Rule: "a", Msg: "of a"}, {Rule: "b", Msg: "then"}}, Exempt: []string{"x"}}
	now := &Answer{Outcome: Allowed, Warnings: []rego.Violation{{Rule: "b", Msg: "now"}, {Rule: "c", Msg: "of c"}}, Exempt: []string{"y"}, CanReattest: true}
	want := []string{"warns: c: of c", "no longer warns: a: of a", "exempt: y", "no longer exempt: x", "may attest again"}
	if diff := cmp.Diff(want, Asides(old, now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Asides(&Answer{Outcome: Denied, Exempt: []string{"x"}}, now); got != nil {
		t.Errorf("of one that was refused: %q", got)
	}
}

func TestGaps(t *testing.T) {
	if got, want := (FileCoverage{NotCovered: []int{1, 3, 4, 5, 9}}).Gaps(), "1, 3-5, 9"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
