package page_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/replay"
	"github.com/spire-gatehouse/gatehouse/replay/page"
)

// TestManyEntries: a fleet's registration entries are not all listed, and it is said.
func TestManyEntries(t *testing.T) {
	const listed = 1000
	entries := &replay.EntriesReport{Read: 5000, Detached: 1}
	for i := range listed + 2 {
		entries.Affected = append(entries.Affected, replay.EntryEffect{Entry: replay.Entry{ID: fmt.Sprintf("entry-%d.", i)}, Lost: 1})
	}
	text := written(t, &replay.Report{Entries: entries})
	if n := strings.Count(text, "entry-"); n != listed || !strings.Contains(text, "1,002 of 5,000 are affected; 1 lose nodes") || !strings.Contains(text, "2 more: --format json has all.") {
		t.Errorf("%d entries are listed in\n%s", n, text)
	}
	entries.Affected = entries.Affected[:listed]
	if text := written(t, &replay.Report{Entries: entries}); strings.Count(text, "entry-") != listed || strings.Contains(text, "--format json") {
		t.Errorf("not all are listed")
	}
}

// TestBesides: a decision whose warnings change says so, and which.
func TestBesides(t *testing.T) {
	change := &replay.Change{
		Old: &replay.Answer{Outcome: replay.Allowed, Warnings: []rego.Violation{{Rule: "old_image", Msg: "is old"}}},
		New: &replay.Answer{Outcome: replay.Allowed, CanReattest: true},
	}
	text := written(t, &replay.Report{Classes: []replay.Class{{Name: replay.Warnings, Groups: []replay.Group{{Samples: []*replay.Change{change}}}}}})
	if want := "<dt>besides</dt><dd><ul><li>no longer warns: old_image: is old</li><li>may attest again</li></ul></dd>"; !strings.Contains(text, want) {
		t.Errorf("%s is not in\n%s", want, text)
	}
}

func written(t *testing.T, r *replay.Report) string {
	t.Helper()
	var text bytes.Buffer
	if err := page.Write(&text, r); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
