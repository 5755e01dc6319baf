package replay

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/e2e/recording"
	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/replay"
)

// TestRecording records a small fleet anew: what comes of it is what the fleet's
// definition says, and is of the same kinds as what is committed.
func TestRecording(t *testing.T) {
	binaries, err := spire.FindBinaries(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	gatehouse, err := repo.BuildGatehouse(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fleet, dir := recording.NewFleet(1, 100), filepath.Join(t.TempDir(), "log")
	if err := recording.Record(t.Context(), recording.Programs{SPIRE: binaries, Gatehouse: gatehouse}, fleet, dir); err != nil {
		t.Fatal(err)
	}
	anew := logsIn(t, dir)
	unchanged(t, anew, fleet, nil)
	for name, known := range candidates {
		t.Run(name, func(t *testing.T) {
			report, err := replay.Run(t.Context(), anew, replay.Options{Candidate: candidate(t, name), Samples: 200})
			if err != nil {
				t.Fatal(err)
			}
			known.check(t, fleet, report)
		})
	}
	if diff := cmp.Diff(kinds(t, logs(t)), kinds(t, anew)); diff != "" {
		t.Errorf("testdata/replay/log is out of date, or the fleet lacks something: testdata/replay/README.md says how to record anew (-committed +anew):\n%s", diff)
	}
}
