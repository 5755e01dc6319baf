package telemetry

import "slices"

// Kind says what SPIRE makes of a metric.
type Kind string

// The kinds, as Prometheus calls what SPIRE makes of them.
const (
	Counter Kind = "counter" // adds up
	Gauge   Kind = "gauge"   // is what it is now
	Summary Kind = "summary" // quantiles, sum and count of single values
)

// A Metric is a figure, by the values of its labels.
type Metric struct {
	// Name is what comes after Prefix.
	Name string

	Kind   Kind
	Labels []Label

	// Help says what the figure is, with its unit.
	Help string
}

// A Label divides a metric. What is not among its values becomes Other.
type Label struct {
	Name string

	// Values are all that there are; nil if they come with the policy or the
	// cloud's API.
	Values []string

	// Max is how many there may be where Values is nil. Whatever comes after as
	// many different ones is Other.
	Max int
}

// Prefix is the first part of every name. SPIRE puts its own before it, so that
// Prometheus has spire_server_gatehouse_…
const Prefix = "gatehouse"

// Other stands for label values that are not told apart.
const Other = "other"

// size is how many values a label can have.
func (l Label) size() int {
	if l.Values != nil {
		return len(l.Values)
	}
	return l.Max + 1
}

// Series is how many combinations of label values the metric can have, for one
// plugin.
func (m *Metric) Series() int {
	n := 1
	for _, label := range m.Labels {
		n *= label.size()
	}
	return n
}

// fixed says that all combinations are known beforehand.
func (m *Metric) fixed() bool {
	return !slices.ContainsFunc(m.Labels, func(l Label) bool { return l.Values == nil })
}

// combinations lists those of a fixed metric.
func (m *Metric) combinations() [][]string {
	all := [][]string{nil}
	for _, label := range m.Labels {
		var longer [][]string
		for _, begun := range all {
			for _, value := range label.Values {
				longer = append(longer, append(slices.Clone(begun), value))
			}
		}
		all = longer
	}
	return all
}
