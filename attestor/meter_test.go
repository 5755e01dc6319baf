package attestor

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metricsv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/common/metrics/v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/spire-gatehouse/gatehouse/attestor/telemetry"
)

// metricsService is SPIRE's Metrics host service. It keeps sums of counters, the
// last values of gauges, and how many values summaries got.
type metricsService struct {
	metricsv1.UnimplementedMetricsServer
	known map[string]telemetry.Kind

	mu      sync.Mutex
	figures map[string]float64
	wrong   []string
}

func newMetricsService() *metricsService {
	s := &metricsService{known: map[string]telemetry.Kind{}, figures: map[string]float64{}}
	for _, m := range telemetry.All() {
		s.known[telemetry.Prefix+" "+m.Name] = m.Kind
	}
	return s
}

func (s *metricsService) put(kind telemetry.Kind, key []string, labels []*metricsv1.Label, change func(float64) float64) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[strings.Join(key, " ")] != kind || len(labels) == 0 || labels[0].Name != "plugin" {
		s.wrong = append(s.wrong, fmt.Sprintf("%s %q %v", kind, key, labels))
	}
	name := strings.Join(key[1:], " ")
	var values []string
	for _, label := range labels[min(1, len(labels)):] {
		values = append(values, label.Name+"="+label.Value)
	}
	if len(values) > 0 {
		name += "{" + strings.Join(values, ",") + "}"
	}
	s.figures[name] = change(s.figures[name])
	return &emptypb.Empty{}, nil
}

func (s *metricsService) IncrCounter(_ context.Context, r *metricsv1.IncrCounterRequest) (*emptypb.Empty, error) {
	return s.put(telemetry.Counter, r.Key, r.Labels, func(was float64) float64 { return was + float64(r.Val) })
}

func (s *metricsService) SetGauge(_ context.Context, r *metricsv1.SetGaugeRequest) (*emptypb.Empty, error) {
	return s.put(telemetry.Gauge, r.Key, r.Labels, func(float64) float64 { return float64(r.Val) })
}

func (s *metricsService) AddSample(_ context.Context, r *metricsv1.AddSampleRequest) (*emptypb.Empty, error) {
	return s.put(telemetry.Summary, r.Key, r.Labels, func(was float64) float64 { return was + 1 })
}

// figures ends the counting, and returns what SPIRE got: all that is not zero, but
// the ages.
func (p *plugin) figures(t *testing.T) map[string]float64 {
	t.Helper()
	p.under.meter.Close()
	p.metrics.mu.Lock()
	defer p.metrics.mu.Unlock()
	if len(p.metrics.wrong) > 0 {
		t.Errorf("SPIRE got metrics that are not in the list, or not as they are there: %q", p.metrics.wrong)
	}
	all := maps.Clone(p.metrics.figures)
	maps.DeleteFunc(all, func(name string, value float64) bool {
		return value == 0 || strings.HasPrefix(name, telemetry.PolicyAge.Name)
	})
	return all
}

// countedPolicies checks how the changes of the enforcing policy were counted.
func (p *plugin) countedPolicies(t *testing.T, want map[string]float64) {
	t.Helper()
	got := map[string]float64{}
	for name, value := range p.figures(t) {
		if result, ok := strings.CutPrefix(name, "policy_changes{policy=enforcing,result="); ok {
			got[strings.TrimSuffix(result, "}")] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy changes (-want +got):\n%s", diff)
	}
}
