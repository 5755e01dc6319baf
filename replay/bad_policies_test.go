package replay_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// TestBadPolicies: a candidate that does not load is said to be so, with file and
// line.
func TestBadPolicies(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	candidate := policy(t, map[string]string{"bad.rego": "package gatehouse.aws_iid\n\nviolation contains x if input.evidence.acount_id\n"})
	_, err := replay.Run(t.Context(), []replay.Log{logOf("log", lines...)}, replay.Options{Candidate: candidate})
	if err == nil || !strings.Contains(err.Error(), "policy candidate for aws_iid: rego: loading policy: bad.rego:3:") {
		t.Errorf("got %v", err)
	}

	// Nor does one that has another package's file in the place of one of the baseline's.
	elsewhere := policy(t, map[string]string{"gatehouse/aws_iid/signature_strength.rego": "package other\n"})
	_, err = replay.Run(t.Context(), []replay.Log{logOf("log", lines...)}, replay.Options{Candidate: elsewhere})
	if err == nil || !strings.Contains(err.Error(), "gatehouse/aws_iid/signature_strength.rego:1: replaces a file of package gatehouse.aws_iid, and is of package other") {
		t.Errorf("got %v", err)
	}

	// What the candidate is compared with is no fault of the candidate's.
	old := policy(t, map[string]string{"gatehouse/aws_iid/account.rego": "package gatehouse.aws_iid\n"})
	enforced := changed(t, changed(t, lines[0], "custom.gatehouse.config", "strict"), "result.enforcement", map[string]any{"account": "warn"})
	compared := run(t, replay.Options{Candidate: replay.Baseline(), Against: &old}, logOf("log", lines[0], attested(t, lines), enforced, changed(t, attested(t, lines), "custom.gatehouse.config", "strict")))
	if compared.Verdict != replay.Safe || compared.Log.Replayed != 1 || len(compared.Log.Skipped) != 1 {
		t.Errorf("another policy does not load: got %s", asJSON(t, compared))
	}

	// It is read once: what is written later is of another candidate.
	dir := t.TempDir()
	name := filepath.Join(dir, "owners.rego")
	if _, err := replay.OpenPolicy(dir, false); err == nil || !strings.Contains(err.Error(), "there are no files in it") {
		t.Errorf("empty: got %v", err)
	}
	if err := os.WriteFile(name, []byte(ownersRule), 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := replay.OpenPolicy(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("half a ru"), 0o600); err != nil {
		t.Fatal(err)
	}
	if report := run(t, replay.Options{Candidate: opened}, logOf("log", lines...)); report.Verdict != replay.Changes {
		t.Errorf("changed on disk: got %s", asJSON(t, report))
	}

	// It may load for one configuration, and not for another.
	half := policy(t, map[string]string{"gatehouse/aws_iid/account.rego": "package gatehouse.aws_iid\n"})
	strict := changed(t, changed(t, lines[0], "custom.gatehouse.config", "strict"), "result.enforcement", map[string]any{"account": "warn"})
	good := attested(t, lines)
	report := run(t, replay.Options{Candidate: half}, logOf("log", lines[0], good, strict, changed(t, good, "custom.gatehouse.config", "strict"), good))
	if report.Verdict != replay.Dangerous || report.Log.Replayed != 2 || len(report.Log.Skipped) != 1 || report.Log.Skipped[0].First != "log:4" ||
		!strings.Contains(report.Log.Skipped[0].Detail, "enforcement of \"account\": no policy has a rule of that name") {
		t.Errorf("got %s", asJSON(t, report))
	}
}

func TestNothing(t *testing.T) {
	report, err := replay.Run(t.Context(), []replay.Log{logOf("log", "{}")}, replay.Options{Candidate: replay.Baseline()})
	if !errors.Is(err, replay.ErrNothing) || report == nil || report.Verdict != replay.None || len(report.Log.Skipped) != 1 {
		t.Errorf("got %+v, %v", report, err)
	}
	lines := linesOf(t, "aws_iid")
	undecided := changed(t, attested(t, lines), "custom.gatehouse.outcome", "unavailable")
	report, err = replay.Run(t.Context(), []replay.Log{logOf("log", lines[0], undecided, undecided)}, replay.Options{Candidate: replay.Baseline()})
	if !errors.Is(err, replay.ErrNothing) || report == nil || report.Verdict != replay.None || report.Log.Replayed != 0 {
		t.Errorf("nothing to compare: got %+v, %v", report, err)
	}
	for name, want := range map[string]string{t.TempDir(): "the directory holds no *.jsonl and no *.jsonl.gz", "/none": "no such file or directory"} {
		if _, err := replay.Logs([]string{name}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
		if _, err := replay.OpenPolicy(filepath.Join(name, "none"), false); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// TestEndlessPolicy: a policy that takes a third of a minute for each decision is given up
// after ten of them, not before, and it is said which one it was.
func TestEndlessPolicy(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	log := []string{lines[0]}
	candidate := policy(t, map[string]string{"owners.rego": ownersRule})
	for n := 1; n <= 10; n++ {
		log = append(log, good)
		var clock time.Duration
		o := replay.Options{Candidate: candidate, Workers: 1, Now: func() time.Time {
			clock += 20 * time.Second
			return time.Unix(0, 0).Add(clock)
		}}
		_, err := replay.Run(t.Context(), []replay.Log{logOf("log", log...)}, o)
		want := "replay: policy candidate took 20s and longer for 10 decisions: it is given up"
		if n < 10 && err != nil || n == 10 && (err == nil || err.Error() != want) {
			t.Errorf("%d decisions: got %v", n, err)
		}
	}
}
