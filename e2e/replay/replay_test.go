package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/internal/testlog"
	"github.com/spire-gatehouse/gatehouse/replay"
)

var update = flag.Bool("update", false, "write the reports in testdata anew")

const decisions = 10_000

// recorded records the log that all tests read, once.
var recorded = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "decisions")
	if err != nil {
		return "", err
	}
	err = testlog.Write(context.Background(), dir, testlog.Options{Decisions: decisions, Seed: 8, MaxBytes: 4 << 20, Compress: true})
	return dir, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := recorded(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// logs are the recorded files, by names that are the same each time.
func logs(t *testing.T) []replay.Log {
	t.Helper()
	dir, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	found, err := replay.Logs([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 4 {
		t.Fatalf("the log was not rotated: %d files", len(found))
	}
	// Rotated files have in their names when that was.
	for i := range found {
		name := filepath.Base(found[i].Name)
		found[i].Name = name[:bytes.IndexAny([]byte(name), "-.")] + string(rune('a'+i))
	}
	return found
}

func candidate(t *testing.T, name string) replay.Policy {
	t.Helper()
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := replay.OpenPolicy(filepath.Join(root, "testdata", "replay", name), false)
	if err != nil {
		t.Fatal(err)
	}
	policy.Name = name
	return policy
}

// noClock stands still: how long policy takes is not compared.
func noClock() time.Time { return time.Time{} }

// TestReports compares whole reports of candidates whose effects are known.
func TestReports(t *testing.T) {
	for name, verdict := range map[string]replay.Verdict{
		"team_required":         replay.Changes,
		"volumes_trusted":       replay.Changes,
		"shorter_path":          replay.Dangerous,
		"other_selectors":       replay.Dangerous, // an entry loses nodes
		"organization_required": replay.Changes,
		"team_selector":         replay.Dangerous,
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := os.Open(filepath.Join("testdata", "entries.json"))
			if err != nil {
				t.Fatal(err)
			}
			defer entries.Close()
			known, err := replay.ReadEntries(entries)
			if err != nil {
				t.Fatal(err)
			}
			report, err := replay.Run(t.Context(), logs(t), replay.Options{Candidate: candidate(t, name), Entries: known, Samples: 2, Now: noClock})
			if err != nil {
				t.Fatal(err)
			}
			if report.Verdict != verdict {
				t.Errorf("verdict %s, want %s", report.Verdict, verdict)
			}
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
	baseline := replay.Baseline()
	for name, against := range map[string]*replay.Policy{"recorded": nil, "baseline": &baseline} {
		report, err := replay.Run(t.Context(), logs(t), replay.Options{Candidate: baseline, Against: against})
		if err != nil {
			t.Fatal(err)
		}
		if report.Verdict != replay.Safe || report.Log.Lines != decisions || report.Log.Unchanged != report.Log.Replayed || report.Log.Replayed < decisions*9/10 {
			t.Errorf("against %s: %+v", name, report)
		}
	}
}
