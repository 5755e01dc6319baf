package replay_test

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// BenchmarkRun is the recorded log of 10,000 decisions, read, taken again and compared,
// on one core, as gatehouse replay does.
func BenchmarkRun(b *testing.B) {
	logs, err := replay.Logs([]string{recording}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(replay.GCPercent))
	b.ReportAllocs()
	lines := 0
	before := cpuTime(b)
	for b.Loop() {
		r, err := replay.Run(b.Context(), logs, replay.Options{Candidate: replay.Baseline(), Workers: 1})
		if err != nil || r.Verdict != replay.Safe {
			b.Fatal(r, err)
		}
		lines += r.Log.Lines
	}
	// On a machine that others use too, only time on a processor says something.
	b.ReportMetric(float64(lines)/(cpuTime(b)-before).Seconds(), "decisions/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
