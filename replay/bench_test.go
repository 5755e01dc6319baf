package replay_test

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// BenchmarkRun is a log of 20,000 decisions, read, taken again and compared, on one
// core, as gatehouse replay does.
func BenchmarkRun(b *testing.B) {
	const decisions, copies = 1000, 20
	logs := []replay.Log{
		logOf("aws_iid", recorded(b, "aws_iid", decisions*9/10)...), logOf("azure_msi", recorded(b, "azure_msi", decisions/10)...),
	}
	many := logs
	for range copies - 1 {
		many = append(many, logs...)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(replay.GCPercent))
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		r, err := replay.Run(b.Context(), many, replay.Options{Candidate: replay.Baseline(), Workers: 1})
		if err != nil || r.Verdict != replay.Safe {
			b.Fatal(r, err)
		}
	}
	// On a machine that others use too, only time on a processor says something.
	b.ReportMetric(float64(b.N*copies*decisions)/(cpuTime(b)-before).Seconds(), "decisions/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
