package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"
)

// Kinds of jobs.
const (
	// Storm has all nodes attest.
	Storm = "storm"
	// Replay lets all nodes in, and then counts only what their evidence gets and
	// costs that is sent again.
	Replay = "replay"
	// Reload is a Storm during which the attestor is configured anew, without a break.
	Reload = "reload"
	// Edit is a Storm during which files of the policy are edited, each time as soon
	// as what was written before is in force.
	Edit = "edit"
)

// A Job is a measurement of one attestor.
type Job struct {
	Kind   string
	Plugin string // "aws_iid"

	// Program is Gatehouse; empty for the built-in.
	Program    string
	PluginData string

	// Env is of the Program's process alone, beside what the process that runs the
	// job has.
	Env []string

	// Certificates is the directory of those that the built-in aws_iid is to trust
	// in AWS's place.
	Certificates string

	// Policy is the directory of the policy that an Edit edits.
	Policy string

	// Payloads is a file with one payload a line.
	Payloads string

	// Nodes is how many of them attest, AtOnce at a time. Those that fail come
	// again after Retry; never, if that is 0.
	Nodes, AtOnce int
	Retry         time.Duration

	// Patience is how long a storm may take. Then it is broken off, and those that
	// are in are counted. 0 is for ever.
	Patience time.Duration
}

// Figures are what was measured.
type Figures struct {
	Attested int
	Failed   int // attempts
	Wall     time.Duration

	// P50 and P99 are of a node's time from its first attempt until it was in.
	P50, P99 time.Duration

	// CPU is the time of processors, of the attestor and of those who attest;
	// PluginCPU what the plugin's process has of it, which for the built-in is
	// not told apart. Peak is that process's memory in bytes.
	CPU, PluginCPU time.Duration
	Peak           int64

	// Reloads are how often it was configured meanwhile, or its policy replaced.
	Reloads int

	// BrokenOff says that patience came to its end first.
	BrokenOff bool

	// LastError is of a failed attempt.
	LastError string

	// Calls are the cloud's, by action, with those that it refused.
	Calls map[string]int
}

// PerSecond is how many nodes were let in each second.
func (f Figures) PerSecond() float64 { return float64(f.Attested) / f.Wall.Seconds() }

// AllCalls are the cloud's calls, of all actions.
func (f Figures) AllCalls() (sum int) {
	for _, n := range f.Calls {
		sum += n
	}
	return sum
}

// Run does the job in this process. It calls ready, unless that is nil, when the
// attestor is configured and what is measured is about to begin.
func (j Job) Run(ctx context.Context, ready func()) (Figures, error) {
	payloads, err := j.payloads()
	if err != nil {
		return Figures{}, err
	}
	if j.Kind == Edit {
		if err := j.edit(0); err != nil {
			return Figures{}, err
		}
	}
	contender, err := j.load(ctx)
	if err != nil {
		return Figures{}, err
	}
	defer contender.Close()
	wave := storm{atOnce: j.AtOnce, retry: j.Retry, patience: j.Patience}
	if j.Kind == Replay {
		before, err := wave.run(ctx, payloads, contender.attest)
		if err != nil || before.attested != len(payloads) {
			return Figures{}, fmt.Errorf("bench: %d of %d nodes are in: %w", before.attested, len(payloads), firstError(err, before.last))
		}
		wave.retry = 0
	}
	if ready != nil {
		ready()
	}
	return measure(os.Getpid(), func() (tally, int, error) {
		var change func(ctx context.Context, n int) error
		switch j.Kind {
		case Reload:
			change = func(ctx context.Context, _ int) error { return contender.Configure(ctx, j.PluginData) }
		case Edit:
			change = func(ctx context.Context, n int) error { return contender.replacePolicy(ctx, j, n) }
		default:
			sum, err := wave.run(ctx, payloads, contender.attest)
			return sum, 0, err
		}
		stop := repeat(ctx, change)
		sum, err := wave.run(ctx, payloads, contender.attest)
		times, reloadErr := stop()
		return sum, times, firstError(err, reloadErr)
	})
}

// measure has the figures of a storm that a process and those that it started
// took part in.
func measure(pid int, run func() (sum tally, reloads int, err error)) (Figures, error) {
	before, beforeAlone, err := family(pid)
	if err != nil {
		return Figures{}, err
	}
	sum, reloads, err := run()
	if err != nil {
		return Figures{}, err
	}
	after, afterAlone, err := family(pid)
	if err != nil {
		return Figures{}, err
	}
	figures := Figures{
		Attested: sum.attested, Failed: sum.failed, Wall: sum.wall,
		P50: quantile(sum.took, 0.5), P99: quantile(sum.took, 0.99),
		CPU: after.cpu - before.cpu, PluginCPU: afterAlone.cpu - beforeAlone.cpu, Peak: afterAlone.peak,
		Reloads: reloads, BrokenOff: sum.brokenOff,
	}
	if sum.last != nil {
		figures.LastError = sum.last.Error()
	}
	return figures, nil
}

// payloads reads those of as many nodes as attest.
func (j Job) payloads() ([][]byte, error) {
	text, err := os.ReadFile(j.Payloads)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if len(lines) < j.Nodes {
		return nil, fmt.Errorf("bench: %s has %d payloads, not %d", j.Payloads, len(lines), j.Nodes)
	}
	return lines[:j.Nodes], nil
}
