package replay_test

import (
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// TestReportLists: lists are lists in the JSON, though they be empty.
func TestReportLists(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	entries, err := replay.ReadEntries(strings.NewReader(`{"entries": [{"id": "bare", "spiffe_id": {"trust_domain": "example.org", "path": "/x"},
		"parent_id": {"trust_domain": "example.org", "path": "` + pathOf(t, attested(t, lines)) + `"}, "selectors": []}]}`))
	if err != nil {
		t.Fatal(err)
	}
	candidate := policy(t, map[string]string{"own.rego": "package gatehouse.aws_iid\n\nadmission_violation contains {\"rule\": \"own\", \"msg\": \"m\"} if input.plugin\n"})
	report := run(t, replay.Options{Candidate: candidate, Entries: entries, Coverage: true}, logOf("log", lines[0], attested(t, lines)))
	text := asJSON(t, report)
	if len(report.Entries.Affected) != 1 || len(report.Coverage.Facts) != 0 || strings.Contains(text, ": null") {
		t.Errorf("got %s", text)
	}
}
