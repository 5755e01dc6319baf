package telemetry

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// A Recorder adds up figures and hands them over. A nil one does nothing. All
// methods are safe for concurrent use, and wait for nobody.
type Recorder struct {
	plugin  string
	service Service
	log     hclog.Logger

	mu      sync.Mutex
	values  map[string]map[string]bool // of open labels, by name
	counts  map[string]figure          // by key
	gauges  map[string]figure
	sinces  map[string]since
	samples []figure
	dropped map[Kind]int

	failing bool // the goroutine's own

	stop  context.CancelFunc
	ended chan struct{}
}

// A figure is a value of a metric for one combination of label values.
type figure struct {
	metric *Metric
	labels []string
	value  float64
}

type since struct {
	figure
	at time.Time
}

// Start starts to hand figures of a plugin over to a service. If that is nil, so is
// the Recorder.
func Start(service Service, plugin string, log hclog.Logger) *Recorder {
	if service == nil {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Recorder{
		plugin: plugin, service: service, log: log,
		values: map[string]map[string]bool{}, counts: map[string]figure{}, gauges: map[string]figure{},
		sinces: map[string]since{}, dropped: map[Kind]int{},
		stop: stop, ended: make(chan struct{}),
	}
	// A counter that appears with its first count has no increase to alert on.
	for _, m := range All() {
		if m.Kind == Counter && m.fixed() {
			for _, labels := range m.combinations() {
				r.Count(m, 0, labels...)
			}
		}
	}
	go r.run(ctx)
	return r
}

// Count adds to a counter. labels are the values of its labels, in order.
func (r *Recorder) Count(m *Metric, n int, labels ...string) {
	if r == nil || n < 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(figure{m, r.bounded(m, labels), float64(n)})
}

func (r *Recorder) add(f figure) {
	key := f.key()
	f.value += r.counts[key].value
	r.counts[key] = f
}

// Set sets a gauge.
func (r *Recorder) Set(m *Metric, value float64, labels ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := figure{m, r.bounded(m, labels), value}
	r.gauges[f.key()] = f
}

// SetSince makes a gauge the seconds since a time, from now on.
func (r *Recorder) SetSince(m *Metric, at time.Time, labels ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := figure{m, r.bounded(m, labels), 0}
	r.sinces[f.key()] = since{f, at}
}

// End takes a gauge of SetSince away: it stays what it was last.
func (r *Recorder) End(m *Metric, labels ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sinces, figure{m, r.bounded(m, labels), 0}.key())
}

// Observe adds a single value to a summary.
func (r *Recorder) Observe(m *Metric, value float64, labels ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.samples) == maxSamples {
		r.dropped[m.Kind]++
		return
	}
	r.samples = append(r.samples, figure{m, r.bounded(m, labels), value})
}

// Milliseconds are what times are told in, as SPIRE's own are.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// bounded makes label values that may be kept for ever.
func (r *Recorder) bounded(m *Metric, values []string) []string {
	all := make([]string, len(m.Labels))
	for i, label := range m.Labels {
		all[i] = Other
		if i < len(values) && r.known(label, values[i]) {
			all[i] = values[i]
		}
	}
	return all
}

func (r *Recorder) known(label Label, value string) bool {
	if label.Values != nil {
		return slices.Contains(label.Values, value)
	}
	seen := r.values[label.Name]
	switch {
	case seen[value]:
		return true
	case len(seen) >= label.Max:
		return false
	case seen == nil:
		seen = map[string]bool{}
		r.values[label.Name] = seen
	}
	seen[value] = true
	return true
}

func (f figure) key() string { return f.metric.Name + "\x00" + strings.Join(f.labels, "\x00") }

// Close hands over what there is, for a second at most.
func (r *Recorder) Close() {
	if r == nil {
		return
	}
	r.stop()
	<-r.ended
}
