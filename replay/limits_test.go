package replay

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// TestOptionBounds tries how many samples may be asked for.
func TestOptionBounds(t *testing.T) {
	for asked, want := range map[int]int{0: defaultSamples, 1: 1, MaxSamples: MaxSamples} {
		o := Options{Samples: asked}
		if err := o.complete(); err != nil || o.Samples != want {
			t.Errorf("%d samples: got %d, %v, want %d", asked, o.Samples, err, want)
		}
	}
	for _, asked := range []int{-1, MaxSamples + 1} {
		o := Options{Samples: asked}
		if err := o.complete(); err == nil || err.Error() != fmt.Sprintf("replay: %d samples are not between 1 and 200", asked) {
			t.Errorf("%d samples: got %v", asked, err)
		}
	}
}

// TestKept: nodes, entries and versions are kept up to their bounds.
func TestKept(t *testing.T) {
	c := &classTally{nodes: map[uint64]bool{}, groups: map[string]*groupTally{}}
	for i := range maxNodes {
		c.count(fmt.Sprint(i))
	}
	if got := c.class(); got.Nodes != maxNodes || got.NodesAtLeast {
		t.Errorf("%d nodes, more %t", got.Nodes, got.NodesAtLeast)
	}
	c.count("0")
	if got := c.class(); got.Nodes != maxNodes || got.NodesAtLeast {
		t.Errorf("one of them again: %d nodes, more %t", got.Nodes, got.NodesAtLeast)
	}
	c.count("another")
	if got := c.class(); got.Nodes != maxNodes || !got.NodesAtLeast || got.Decisions != maxNodes+2 {
		t.Errorf("another one: %d nodes of %d decisions, more %t", got.Nodes, got.Decisions, got.NodesAtLeast)
	}

	for i := range maxGroupEntries + 1 {
		c.add(hit{NewlyDenied, "group"}, result{entries: []entryHit{{id: fmt.Sprintf("%04d", i)}}, change: &Change{}}, i, 1)
		if got, want := len(c.class().Groups[0].Entries), min(i+1, maxGroupEntries); got != want {
			t.Errorf("%d entries: %d are there, want %d", i+1, got, want)
		}
	}

	tl, checked := newTally(Options{}), 0
	for i := range maxVersions + 1 {
		tl.add("log", result{version: version{gatehouse: fmt.Sprint(i)}, misfit: func() *remark { checked++; return &remark{why: fmt.Sprint(i)} }})
	}
	if checked != maxVersions || len(tl.noted.list) != maxVersions {
		t.Errorf("the inputs of %d versions were checked, %d remarks", checked, len(tl.noted.list))
	}
}

// TestEnginesKept: of many configurations those loaded last are kept.
func TestEnginesKept(t *testing.T) {
	e := newEngines(Policy{Files: fstest.MapFS{}}) // of which none is made
	get := func(i int) *loading {
		e.get(t.Context(), "aws_iid", fmt.Sprint(i), nil)
		return e.loaded[engineKey{"aws_iid", fmt.Sprint(i)}]
	}
	first, second := get(0), get(1)
	for i := 2; i < maxEngines; i++ {
		get(i)
	}
	if len(e.loaded) != maxEngines || get(0) != first {
		t.Errorf("%d engines are kept, the first among them: %t", len(e.loaded), get(0) == first)
	}
	get(maxEngines)
	if e.loaded[engineKey{"aws_iid", "0"}] != nil || get(1) != second || len(e.loaded) != maxEngines {
		t.Errorf("one more: %d engines are kept", len(e.loaded))
	}
	if got := e.options("aws_iid", nil).Timeout; got != askTimeout {
		t.Errorf("a question may take %v, want %v", got, askTimeout)
	}
}

// TestBatches: a worker takes so many lines at a time, or so many bytes and the line
// that is beyond them.
func TestBatches(t *testing.T) {
	const line = `{"decision_id":"1","path":"gatehouse/aws_iid/decision"}`
	sized := func(n int) string { return line + strings.Repeat(" ", n-len(line)) + "\n" }
	for name, tc := range map[string]struct {
		text string
		want []int // lines of each batch
	}{
		"lines":     {strings.Repeat(line+"\n", batchLines), []int{batchLines}},
		"more":      {strings.Repeat(line+"\n", batchLines+1), []int{batchLines, 1}},
		"bytes":     {sized(batchBytes/2) + sized(batchBytes/2) + sized(100), []int{3}},
		"one more":  {sized(batchBytes/2) + sized(batchBytes/2+1) + sized(100), []int{2, 1}},
		"long ones": {sized(2*batchBytes) + sized(2*batchBytes), []int{1, 1}},
	} {
		var got []int
		log := Log{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(tc.text)), nil }}
		err := readLog(log, new(atomic.Int64), func(b *batch) error { got = append(got, len(b.lines)); return nil })
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// TestEntriesSize: a list of entries that is longer than it may be is not read on.
func TestEntriesSize(t *testing.T) {
	const text = `{"entries": []}`
	if n := boundEntries(nil).N; n != maxEntriesBytes+1 {
		t.Errorf("up to %d bytes are read, want one more than %d", n, maxEntriesBytes)
	}
	read := func(text string, most int) error {
		_, err := readEntries(&io.LimitedReader{R: strings.NewReader(text), N: int64(most) + 1})
		return err
	}
	if err := read(text, len(text)); err != nil {
		t.Errorf("as long as it may be: %v", err)
	}
	for _, longer := range []string{text + " ", text[:len(text)-1] + strings.Repeat(" ", 100)} {
		if err := read(longer, len(text)); err == nil || err.Error() != "is longer than 536870912 bytes" {
			t.Errorf("%q: got %v", longer, err)
		}
	}
}

// TestSamplesWithoutEngines: what is kept of samples keeps no engine of their
// configurations, and tells all the same which rule denied.
func TestSamplesWithoutEngines(t *testing.T) {
	rules := "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"a\"} if input.facts.instance.state == \"lost\"\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"b\"} if data.gatehouse.config.partition == \"aws\"\n"
	dir := fstest.MapFS{"owners.rego": {Data: []byte(rules)}}
	candidate := newEngines(Policy{Name: "candidate", Files: policies.Over(dir)})
	config := map[string]any{"partition": "aws"}
	if _, err := candidate.get(t.Context(), "aws_iid", "first", config); err != nil {
		t.Fatal(err)
	}
	sample := func() *Change {
		return &Change{
			New: &Answer{Outcome: Denied, Denials: []rego.Violation{{Rule: "owners", Msg: "b"}}},
			again: &again{candidate, "first", "aws_iid", config, rego.Input{
				Plugin: "aws_iid", TrustDomain: "td", Time: time.Unix(1, 0), Evidence: map[string]any{"account_id": "1"},
				Facts: map[string]any{"instance": map[string]any{"state": "running"}}, FactsStatus: map[string]string{}, Tofu: &rego.Tofu{},
			}},
		}
	}
	clear(candidate.loaded) // as when other configurations came after it
	for _, tc := range []struct {
		explain bool
		want    []string
	}{{false, []string{"owners.rego:3", "owners.rego:5"}}, {true, []string{"owners.rego:5"}}} {
		c := sample()
		if err := c.locate(t.Context(), tc.explain); err != nil {
			t.Fatal(err)
		}
		// The baseline has more to say of so little input.
		c.New.At = slices.DeleteFunc(c.New.At, func(at string) bool { return !strings.HasPrefix(at, "owners") })
		if loaded := len(candidate.loaded); cmp.Diff(tc.want, c.New.At) != "" || tc.explain != (loaded == 1) {
			t.Errorf("explained %t: at %q, with %d engines", tc.explain, c.New.At, loaded)
		}
	}
}
