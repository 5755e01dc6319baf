package replay_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/testlog"
	"github.com/spire-gatehouse/gatehouse/replay"
)

// BenchmarkRun is one decision of a log, read, taken again and compared, on one
// core; a policy is loaded for each thousand of them.
func BenchmarkRun(b *testing.B) {
	const decisions = 1000
	dir := b.TempDir()
	if err := testlog.Write(b.Context(), dir, testlog.Options{Decisions: decisions, Seed: 1}); err != nil {
		b.Fatal(err)
	}
	logs, err := replay.Logs([]string{dir}, nil)
	if err != nil {
		b.Fatal(err)
	}
	many := logs
	for range 9 {
		many = append(many, logs...)
	}
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		r, err := replay.Run(b.Context(), many, replay.Options{Candidate: replay.Baseline(), Workers: 1})
		if err != nil || r.Verdict != replay.Safe {
			b.Fatal(r, err)
		}
	}
	// On a machine that others use too, only time on a processor says something.
	b.ReportMetric(float64(b.N*10*decisions)/(cpuTime(b)-before).Seconds(), "decisions/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
