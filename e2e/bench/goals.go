package bench

import (
	"fmt"
	"io"
)

// goals writes what was to be reached, and what is.
func (r *Report) goals(w io.Writer) {
	fmt.Fprint(w, "\n### Goals\n\n| figure | goal | measured | |\n|---|---|---|---|\n")
	row := func(figure, goal, measured string, met bool) {
		verdict := "met"
		if !met {
			verdict = "**not met**"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", figure, goal, measured, verdict)
	}
	r.storm(row, "EC2 and IAM calls for 1,000 nodes of one account and region", 20, awsThrottled)
	if ours, ok := r.best(awsLargeThrottled, gatehouse); ok {
		free, _ := r.best(awsLargeFree, gatehouse)
		part := ours.PerSecond() / free.PerSecond()
		row(fmt.Sprintf("%d nodes throttled", ours.nodes), "all attested, at the rate of the CPU",
			fmt.Sprintf("%d attested at %.0f a second, %.2f of the rate without limits; %d failed attempts%s", ours.Attested, ours.PerSecond(), part, ours.Failed, r.theirs(awsLargeThrottled)),
			ours.Attested == ours.nodes && ours.Failed == 0 && part > 0.8)
		row(fmt.Sprintf("peak memory of the plugin, storm of %d nodes", ours.nodes), "≤ 150 MiB", mebibytes(ours.Peak), ours.Peak <= 150<<20)
	}
	r.replay(row, "aws_iid: calls of a flood of replays", awsReplay)
	r.storm(row, "Azure: Resource Manager calls for 1,000 nodes", 30, azureThrottled)
	r.replay(row, "azure_msi: calls of a flood of replays", azureReplay)
	for _, s := range r.Sequences {
		row(s.name+": p50 against the built-in", "≤ 1.0×", fmt.Sprintf("%.2f× (%.2f to %.2f in blocks)", s.Ratio, s.Lowest, s.Highest), s.Ratio <= 1)
	}
	for _, f := range r.Flat {
		row(flatCost+f.name, "≤ 1.2×", fmt.Sprintf("%.2f× (%.2f to %.2f in blocks)", f.Ratio, f.Lowest, f.Highest), f.Ratio <= 1.2)
	}
}

// theirs is what became of the built-in, if it was measured.
func (r *Report) theirs(name string) string {
	m, have := r.best(name, builtIn)
	if !have {
		return ""
	}
	return fmt.Sprintf(" (built-in: %d attested in %s, %d failed attempts)", m.Attested, short(m.Wall), m.Failed)
}

type rowWriter func(figure, goal, measured string, met bool)

// storm has the goals of a throttled storm.
func (r *Report) storm(row rowWriter, figure string, most float64, name string) {
	ours, have := r.best(name, gatehouse)
	theirs, haveBoth := r.best(name, builtIn)
	if !have || !haveBoth { // interrupted before
		return
	}
	per := func(m measured) float64 { return float64(m.AllCalls()) * 1000 / float64(m.nodes) }
	row(figure, fmt.Sprintf("≤ %.0f", most), fmt.Sprintf("%.0f (built-in: %.0f)", per(ours), per(theirs)), per(ours) <= most)
	ratio := float64(ours.Wall) / float64(theirs.Wall)
	row(fmt.Sprintf("%s of %d nodes, throttled: wall time against the built-in", name, ours.nodes), "≤ 1/10, no failed attempt",
		fmt.Sprintf("%s against %s: 1/%.0f; %d failed attempts (built-in: %d)", short(ours.Wall), short(theirs.Wall), 1/ratio, ours.Failed, theirs.Failed),
		ratio <= 0.1 && ours.Failed == 0 && ours.Attested == ours.nodes)
}

// replay has that of a flood of replays.
func (r *Report) replay(row rowWriter, figure, name string) {
	ours, have := r.best(name, gatehouse)
	theirs, haveBoth := r.best(name, builtIn)
	if !have || !haveBoth { // interrupted before
		return
	}
	row(figure, "0", fmt.Sprintf("%d for %d replays, of which %d got in (built-in: %d)", ours.AllCalls(), ours.nodes, ours.Attested, theirs.AllCalls()),
		ours.AllCalls() == 0 && ours.Attested == 0)
}
