package replay

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/e2e/recording"
	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/replay"
)

var update = flag.Bool("update", false, "write the reports in testdata anew")

// logs are the files that are committed.
func logs(t *testing.T) []replay.Log {
	t.Helper()
	found := logsIn(t, testdata(t, "log"))
	if len(found) < 4 {
		t.Fatalf("the log was not rotated: %d files", len(found))
	}
	return found
}

// logsIn are the files in a directory, without its name.
func logsIn(t *testing.T, dir string) []replay.Log {
	t.Helper()
	found, err := replay.Logs([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		found[i].Name = filepath.Base(found[i].Name)
	}
	return found
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "testdata", "replay", name)
}

func candidate(t *testing.T, name string) replay.Policy {
	t.Helper()
	policy, err := replay.OpenPolicy(testdata(t, name), false)
	if err != nil {
		t.Fatal(err)
	}
	policy.Name = name
	return policy
}

// noClock stands still: how long policy takes is not compared.
func noClock() time.Time { return time.Time{} }

// TestReports compares whole reports of candidates whose effects are known, and holds
// them against the definition of the fleet.
func TestReports(t *testing.T) {
	fleet := recording.NewFleet(recording.Seed, recording.Machines)
	for name, known := range candidates {
		t.Run(name, func(t *testing.T) {
			entries, err := os.Open(filepath.Join("testdata", "entries.json"))
			if err != nil {
				t.Fatal(err)
			}
			defer entries.Close()
			registered, err := replay.ReadEntries(entries)
			if err != nil {
				t.Fatal(err)
			}
			report, err := replay.Run(t.Context(), logs(t), replay.Options{Candidate: candidate(t, name), Entries: registered, Samples: 2, Now: noClock})
			if err != nil {
				t.Fatal(err)
			}
			if report.Verdict != known.verdict {
				t.Errorf("verdict %s, want %s", report.Verdict, known.verdict)
			}
			known.check(t, fleet, report)
			compare(t, name, report)
		})
	}
}

func compare(t *testing.T, name string, report *replay.Report) {
	t.Helper()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(report); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("after a change that is meant, run go test ./replay -update (-want +got):\n%s", diff)
	}
}

// TestBaseline: the policy that recorded comes to the same decisions, recorded or
// asked again.
func TestBaseline(t *testing.T) {
	fleet := recording.NewFleet(recording.Seed, recording.Machines)
	if fleet.Decisions() != 10_000 {
		t.Errorf("%d decisions are recorded", fleet.Decisions())
	}
	baseline := replay.Baseline()
	unchanged(t, logs(t), fleet, nil)
	unchanged(t, logs(t), fleet, &baseline)
}

// unchanged wants the baseline to change nothing.
func unchanged(t *testing.T, logs []replay.Log, fleet recording.Fleet, against *replay.Policy) {
	t.Helper()
	report, err := replay.Run(t.Context(), logs, replay.Options{Candidate: replay.Baseline(), Against: against})
	if err != nil {
		t.Fatal(err)
	}
	undecided := "was not decided then, so that there is nothing to compare: unavailable"
	if against != nil {
		undecided = "lacks facts without which policy baseline can't be told, so that there is nothing to compare: instance, instance_profile, tofu"
	}
	lines := map[string]int{}
	for _, remark := range report.Log.Skipped {
		lines[remark.Why] = remark.Lines
	}
	forged, unanswered := lines["was refused before policy was asked: bad_evidence"], lines[undecided]
	if len(lines) != 2 || forged == 0 || unanswered == 0 {
		t.Errorf("skipped: %+v", report.Log.Skipped)
	}
	got := []any{report.Verdict, report.Log.Lines, report.Log.Replayed, report.Log.Unchanged}
	all := fleet.Decisions()
	compared := all - forged - unanswered
	if diff := cmp.Diff([]any{replay.Safe, all, compared, compared}, got); diff != "" || compared < all*19/20 {
		t.Errorf("against %s, with %d forged and %d that the cloud gave no answer for (-want +got):\n%s", report.Against, forged, unanswered, diff)
	}
}
