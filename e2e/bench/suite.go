package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

// A Suite is what make bench runs.
type Suite struct {
	Program  string         // Gatehouse
	Binaries spire.Binaries // for storms through a whole server

	Nodes, Large int // of the fleets
	AtOnce       int
	Retry        time.Duration
	Sequential   int // nodes, one after the other
	Rounds       int

	// Patience is how long the large storm under limits may take; 0 is for ever.
	Patience time.Duration

	// Only says which rows of the report to measure, by their names; nil for all.
	Only *regexp.Regexp

	AWS   Rates
	Azure AzureRates

	Progress io.Writer
}

// names of the contenders, in the report.
const (
	gatehouse = "Gatehouse"
	builtIn   = "built-in"
)

// Run measures it all and returns the report. With an error it returns what was
// measured until then, if anything.
func (s Suite) Run(ctx context.Context) (*Report, error) {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	report := &Report{Machine: Machine(), Suite: s}
	amazon, err := NewAWS(ctx, dir)
	if err != nil {
		return nil, err
	}
	s.say("signing %d documents", s.Large)
	large, err := amazon.Fleet(s.Large, 20)
	if err != nil {
		return nil, err
	}
	azure, err := NewAzure(ctx, dir)
	if err != nil {
		return nil, err
	}
	machines, err := azure.Fleet(max(s.Nodes, s.Sequential))
	if err != nil {
		return nil, err
	}
	for _, r := range append(s.aws(amazon, large), s.azure(azure, machines)...) {
		if !s.wants(r.name) {
			continue
		}
		if err := s.run(ctx, report, r); err != nil {
			return report, err
		}
	}
	return report, s.sequences(ctx, report, amazon, large, azure, machines)
}

// wants says whether a row is to be measured.
func (s Suite) wants(name string) bool { return s.Only == nil || s.Only.MatchString(name) }

func (s Suite) say(format string, args ...any) {
	fmt.Fprintf(s.Progress, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// site is a cloud as a run needs it.
type site struct {
	env   []string
	free  func() // of limits
	reset func() // to those that are in force
	calls func() map[string]int
}

// storms are a row of the report for each job.
type storms struct {
	name     string
	at       site
	inServer bool
	jobs     []Job
}

// run does a job of each contender's, in turn, as often as there are rounds, and
// adds what was measured to the report.
func (s Suite) run(ctx context.Context, report *Report, r storms) error {
	name, at := r.name, r.at
	for round := range s.Rounds {
		for i := range r.jobs {
			job := r.jobs[(i+round)%len(r.jobs)]
			job.AtOnce, job.Retry = s.AtOnce, s.Retry
			who := gatehouse
			if job.Program == "" {
				who = builtIn
			}
			s.say("%s: %s", name, who)
			at.free() // for those who are let in before a flood of replays
			var figures Figures
			var err error
			if r.inServer {
				figures, err = job.InServer(ctx, s.Binaries, at.env, at.reset)
			} else {
				figures, err = job.Spawn(ctx, at.env, at.reset)
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", name, who, err)
			}
			figures.Calls = at.calls()
			report.add(name, who, job.Nodes, figures)
			s.say("  %d in, %d failed attempts, %s, %d calls", figures.Attested, figures.Failed, short(figures.Wall), figures.AllCalls())
		}
	}
	return nil
}

// first is the beginning of a fleet.
func (f Fleet) first(n int) Fleet {
	return Fleet{Payloads: f.Payloads, IDs: f.IDs[:min(n, len(f.IDs))]}
}

// aws measures aws_iid.
func (s Suite) aws(cloud *AWS, large Fleet) []storms {
	fleet := large.first(s.Nodes)
	without := func() { cloud.Reset(Rates{Latency: s.AWS.Latency}) }
	limited := site{cloud.Env(), without, func() { cloud.Reset(s.AWS) }, cloud.Calls}
	free := site{cloud.Env(), without, without, cloud.Calls}
	both := func(kind string, fleet Fleet) []Job {
		return []Job{cloud.Job(kind, s.Program, fleet), cloud.Job(kind, "", fleet)}
	}
	throttled := both(Storm, large)
	for i := range throttled {
		throttled[i].Patience = s.Patience
	}
	return []storms{
		{awsThrottled, limited, false, both(Storm, fleet)},
		{awsFree, free, false, both(Storm, fleet)},
		{awsLargeThrottled, limited, false, throttled},
		{awsLargeFree, free, false, both(Storm, large)},
		{awsReplay, limited, false, both(Replay, fleet)},
		{awsReload, free, false, both(Reload, fleet)},
		{awsEdit, free, false, []Job{cloud.edited(cloud.Job(Edit, s.Program, fleet))}},
		{awsServer, limited, true, []Job{cloud.Job(Storm, s.Program, fleet)}},
	}
}

// azure measures azure_msi.
func (s Suite) azure(cloud *Azure, machines Fleet) []storms {
	fleet := machines.first(s.Nodes)
	without := func() { cloud.Reset(AzureRates{Latency: s.Azure.Latency}) }
	limited := site{cloud.Env(), without, func() { cloud.Reset(s.Azure) }, cloud.Calls}
	free := site{cloud.Env(), without, without, cloud.Calls}
	both := func(kind string) []Job {
		return []Job{cloud.Job(kind, s.Program, fleet), cloud.Job(kind, "", fleet)}
	}
	return []storms{
		{azureThrottled, limited, false, both(Storm)},
		{azureFree, free, false, both(Storm)},
		{azureReplay, limited, false, both(Replay)},
		{azureServer, free, true, both(Storm)},
	}
}

// blocks is into how many a sequence is divided.
const blocks = 10

// sequences measures one node after the other, before clouds that answer at once.
func (s Suite) sequences(ctx context.Context, report *Report, amazon *AWS, large Fleet, azure *Azure, machines Fleet) error {
	atAWS := site{env: amazon.Env(), reset: func() { amazon.Reset(Rates{}) }}
	atAzure := site{env: azure.Env(), reset: func() { azure.Reset(AzureRates{}) }}
	instances, machines := large.first(s.Sequential), machines.first(s.Sequential)
	beside := []struct {
		name string
		at   site
		jobs [2]Job
	}{
		{awsSequential, atAWS, [2]Job{amazon.Job(Storm, s.Program, instances), amazon.Job(Storm, "", instances)}},
		{azureSequential, atAzure, [2]Job{azure.Job(Storm, s.Program, machines), azure.Job(Storm, "", machines)}},
	}
	for _, b := range beside {
		if !s.wants(b.name) {
			continue
		}
		s.say("%s", b.name)
		latencies, err := Sequence{Jobs: b.jobs, Blocks: blocks}.Spawn(ctx, b.at.env, b.at.reset)
		if err != nil {
			return err
		}
		report.Sequences = append(report.Sequences, compared{b.name, latencies})
	}
	worlds, err := amazon.FlatAWS(s.Program, s.Sequential, blocks)
	if err != nil {
		return err
	}
	flat := func(at site, worlds []World) error {
		for _, world := range worlds {
			if !s.wants(flatCost + world.Name) {
				continue
			}
			s.say("%s", flatCost+world.Name)
			latencies, err := world.Sequence.Spawn(ctx, at.env, at.reset)
			if err != nil {
				return fmt.Errorf("%s: %w", world.Name, err)
			}
			report.Flat = append(report.Flat, compared{world.Name, latencies})
		}
		return nil
	}
	if err := flat(atAWS, worlds); err != nil {
		return err
	}
	return flat(atAzure, azure.FlatAzure(s.Program, machines, blocks))
}
