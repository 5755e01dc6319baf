package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Names of what is measured.
const (
	awsThrottled      = "aws_iid, storm"
	awsFree           = "aws_iid, storm without limits"
	awsLargeThrottled = "aws_iid, large storm"
	awsLargeFree      = "aws_iid, large storm without limits"
	awsReplay         = "aws_iid, flood of replays"
	awsReload         = "aws_iid, storm without limits, configured anew all the time"
	awsEdit           = "aws_iid, storm without limits, policy edited all the time"
	awsServer         = "aws_iid, storm through a whole SPIRE server"
	azureThrottled    = "azure_msi, storm"
	azureFree         = "azure_msi, storm without limits"
	azureReplay       = "azure_msi, flood of replays"
	azureServer       = "azure_msi, storm through a whole SPIRE server, without limits"
	awsSequential     = "aws_iid, one node after the other"
	azureSequential   = "azure_msi, one node after the other"
	flatCost          = "flat cost: " // before the name of a World
)

// A Report is what a Suite measured.
type Report struct {
	Machine   string
	Suite     Suite
	Storms    []measured
	Sequences []compared
	Flat      []compared
	Benches   []string // lines of go test -bench
	Took      time.Duration
}

type measured struct {
	name, who string
	nodes     int
	Figures
}

type compared struct {
	name string
	Latencies
}

func (r *Report) add(name, who string, nodes int, figures Figures) {
	r.Storms = append(r.Storms, measured{name, who, nodes, figures})
}

// best is a contender's round that took least time.
func (r *Report) best(name, who string) (measured, bool) {
	var found []measured
	for _, m := range r.Storms {
		if m.name == name && m.who == who {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return measured{}, false
	}
	return slices.MinFunc(found, func(a, b measured) int { return int(a.Wall - b.Wall) }), true
}

// Markdown writes the report.
func (r *Report) Markdown(w io.Writer) {
	s := r.Suite
	fmt.Fprintf(w, "Machine: %s. It took %s.\n\n", r.Machine, r.Took.Round(time.Second))
	fmt.Fprintf(w, "%d and %d nodes, %d at once; who fails comes again after %s. Every call takes %s, or more.\n", s.Nodes, s.Large, s.AtOnce, s.Retry, s.AWS.Latency)
	fmt.Fprintf(w, "EC2: %d DescribeInstances, then %d a second. IAM: %s. Resource Manager: %d calls, then %d a second. Resource Graph: 15 queries in 5 s.\n",
		s.AWS.EC2Burst, s.AWS.EC2PerSecond, limit(s.AWS.IAMBurst, s.AWS.IAMPerSecond), s.Azure.Burst, s.Azure.PerSecond)
	r.goals(w)
	r.storms(w)
	r.calls(w)
	table(w, "One node after the other, clouds that answer at once", []string{"", gatehouse + " p50", builtIn + " p50", gatehouse + " p99", builtIn + " p99", "ratio of p50", "in blocks"}, r.Sequences)
	table(w, "Flat cost: Gatehouse in a large world, and in a small one", []string{"", "large p50", "small p50", "large p99", "small p99", "ratio of p50", "in blocks"}, r.Flat)
	if len(r.Benches) > 0 {
		fmt.Fprintf(w, "\n### Steps of a decision\n\n    %s\n", strings.Join(r.Benches, "\n    "))
	}
}

// storms writes a row for each storm.
func (r *Report) storms(w io.Writer) {
	fmt.Fprint(w, "\n### Storms\n\n| | | nodes | in | failed attempts | wall | a second | p50 | p99 | calls | CPU | of it the plugin's | its peak memory |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, m := range r.Storms {
		fmt.Fprintf(w, "| %s | %s | %d | %d | %d | %s | %.0f | %s | %s | %d | %s | %s | %s |\n", m.name, m.who, m.nodes, m.Attested, m.Failed,
			short(m.Wall), m.PerSecond(), short(m.P50), short(m.P99), m.AllCalls(), short(m.CPU), orNone(m.PluginCPU > 0, short(m.PluginCPU)), orNone(m.Peak > 0, mebibytes(m.Peak)))
	}
	for _, m := range r.Storms {
		if m.BrokenOff {
			fmt.Fprintf(w, "\n%s, %s: broken off after %s, with %d of %d nodes in.\n", m.name, m.who, short(m.Wall), m.Attested, m.nodes)
		}
		if m.name == awsReload || m.name == awsEdit {
			fmt.Fprintf(w, "\n%s, %s: %d times.\n", m.name, m.who, m.Reloads)
		}
	}
}

// calls writes which calls each storm cost, by action.
func (r *Report) calls(w io.Writer) {
	fmt.Fprint(w, "\n### Calls for each 1,000 nodes, with those that the cloud refused\n\n| | | calls |\n|---|---|---|\n")
	for _, m := range r.Storms {
		var list []string
		nodes := m.nodes
		if m.BrokenOff {
			nodes = max(m.Attested, 1)
		}
		for _, action := range slices.Sorted(maps.Keys(m.Calls)) {
			list = append(list, fmt.Sprintf("%s %.1f", action, float64(m.Calls[action])*1000/float64(nodes)))
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", m.name, m.who, orNone(len(list) > 0, strings.Join(list, ", ")))
	}
}

func table(w io.Writer, title string, head []string, rows []compared) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s\n\n| %s |\n|---%s|\n", title, strings.Join(head, " | "), strings.Repeat("|--:", len(head)-1))
	for _, row := range rows {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %.2f | %.2f to %.2f |\n", row.name, short(row.P50[0]), short(row.P50[1]),
			short(row.P99[0]), short(row.P99[1]), row.Ratio, row.Lowest, row.Highest)
	}
}

func limit(burst, perSecond int) string {
	if burst == 0 {
		return "no limit"
	}
	return fmt.Sprintf("%d calls, then %d a second", burst, perSecond)
}

func orNone(is bool, text string) string {
	if is {
		return text
	}
	return "–"
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// short rounds to three digits.
func short(d time.Duration) string {
	for unit := time.Microsecond; ; unit *= 10 {
		if rounded := d.Round(unit); rounded < 1000*unit || unit >= time.Second {
			return rounded.String()
		}
	}
}
