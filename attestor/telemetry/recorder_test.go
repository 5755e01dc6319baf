package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	metricsv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/common/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// spire is the host service. answer, if set, is asked first.
type spire struct {
	answer func(ctx context.Context, name string) error

	mu  sync.Mutex
	got []string
}

func (s *spire) put(ctx context.Context, key []string, labels []*metricsv1.Label, value float32) (*emptypb.Empty, error) {
	name := strings.Join(key, ".")
	for _, label := range labels {
		name += "," + label.Name + "=" + label.Value
	}
	if s.answer != nil {
		if err := s.answer(ctx, name); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, fmt.Sprintf("%s %v", name, value))
	return &emptypb.Empty{}, nil
}

func (s *spire) IncrCounter(ctx context.Context, r *metricsv1.IncrCounterRequest, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	return s.put(ctx, r.Key, r.Labels, r.Val)
}

func (s *spire) SetGauge(ctx context.Context, r *metricsv1.SetGaugeRequest, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	return s.put(ctx, r.Key, r.Labels, r.Val)
}

func (s *spire) AddSample(ctx context.Context, r *metricsv1.AddSampleRequest, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	return s.put(ctx, r.Key, r.Labels, r.Val)
}

// take returns what came, sorted, without the plugin and the zeros.
func (s *spire) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, line := range s.got {
		if !strings.HasSuffix(line, " 0") {
			all = append(all, strings.Replace(line, ",plugin=aws_iid", "", 1))
		}
	}
	s.got = nil
	slices.Sort(all)
	return all
}

func start(s *spire) *Recorder {
	return Start(s, "aws_iid", hclog.NewNullLogger())
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestHandOver: counts are added up, gauges are what they were last, ages grow,
// and each single value is handed over once.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spire{}
		r := start(s)
		r.Count(Attestations, 1, "attested")
		r.Count(Attestations, 2, "attested")
		r.Count(Attestations, -1, "attested")
		r.Count(Rules, 1, "tofu", "denied")
		r.Set(PolicyInfo, 7, Enforcing, "abc")
		r.Set(PolicyInfo, 1, Enforcing, "abc")
		r.SetSince(PolicyAge, time.Now(), Enforcing)
		r.Observe(StepTime, 1.5, "verify")
		r.Observe(StepTime, 2.5, "verify")
		time.Sleep(interval)
		synctest.Wait()
		equal(t, "first", s.take(),
			"gatehouse.attestations,outcome=attested 3",
			"gatehouse.policy_age,policy=enforcing 5",
			"gatehouse.policy_info,policy=enforcing,revision=abc 1",
			"gatehouse.rules,rule=tofu,effect=denied 1",
			"gatehouse.step_elapsed_time,step=verify 1.5",
			"gatehouse.step_elapsed_time,step=verify 2.5",
		)
		r.Count(Attestations, 1, "attested")
		time.Sleep(interval)
		synctest.Wait()
		equal(t, "second", s.take(), "gatehouse.attestations,outcome=attested 1", "gatehouse.policy_age,policy=enforcing 10")
		r.End(PolicyAge, Enforcing)
		r.Count(Attestations, 5, "denied")
		r.Close()
		equal(t, "at the end", s.take(), "gatehouse.attestations,outcome=denied 5")
		r.Close()
	})
}

// TestBegin: counters whose labels are known begin at zero, so that the first
// count is an increase.
func TestBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spire{}
		start(s).Close()
		want := 0
		for _, m := range All() {
			if m.Kind == Counter && m.fixed() {
				want += m.Series()
			}
		}
		if len(s.got) != want || !slices.Contains(s.got, "gatehouse.panics,plugin=aws_iid,where=attestation 0") {
			t.Errorf("got %d, want %d: %q", len(s.got), want, s.got)
		}
	})
}

// TestFailingService: what was counted meanwhile comes later, what may have been
// counted doesn't come twice, and what was dropped is told.
func TestFailingService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		var mu sync.Mutex
		s := &spire{answer: func(_ context.Context, name string) error {
			mu.Lock()
			defer mu.Unlock()
			// The first of all figures arrives, the second doesn't.
			if down && !strings.Contains(name, "outcome=attested") {
				return errors.New("down")
			}
			return nil
		}}
		r := start(s)
		time.Sleep(interval)
		r.Count(Attestations, 3, "attested")
		r.Count(Attestations, 1, "bad_evidence")
		r.Count(Claims, 2, "taken")
		r.Set(PolicyInfo, 1, Enforcing, "abc")
		r.Observe(ShadowTime, 1)
		time.Sleep(interval)
		synctest.Wait()
		equal(t, "while it is down", s.take(), "gatehouse.attestations,outcome=attested 3")
		mu.Lock()
		down = false
		mu.Unlock()
		r.Set(PolicyInfo, 2, Enforcing, "abc")
		time.Sleep(interval)
		synctest.Wait()
		equal(t, "after that", s.take(),
			"gatehouse.claims,result=taken 2",
			"gatehouse.policy_info,policy=enforcing,revision=abc 2",
			"gatehouse.telemetry_dropped,kind=counter 2", // one in each round
			"gatehouse.telemetry_dropped,kind=summary 1",
		)
		r.Close()
	})
}

// TestStuckService: nobody waits for a service that does not answer, and memory
// stays what it is.
func TestStuckService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		type round struct{ after, time time.Duration }
		rounds := make(chan round, 2)
		s := &spire{answer: func(ctx context.Context, _ string) error {
			end, _ := ctx.Deadline()
			rounds <- round{time.Since(began), time.Until(end)}
			<-ctx.Done()
			return ctx.Err()
		}}
		r := start(s)
		time.Sleep(interval)
		synctest.Wait() // it hangs
		if round := <-rounds; round.after != interval || round.time != handOverTime {
			t.Errorf("it was asked after %v, and had %v, want %v and %v", round.after, round.time, interval, handOverTime)
		}
		began = time.Now()
		for n := range 10 * maxSamples {
			r.Observe(StepTime, 1, "verify")
			r.Count(Attestations, 1, "attested")
			r.Count(Rules, 1, fmt.Sprint("rule", n), "denied")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("counting took %v", took)
		}
		r.mu.Lock()
		samples, rules, dropped := len(r.samples), len(r.values["rule"]), r.dropped[Summary]
		r.mu.Unlock()
		if samples != maxSamples || rules != 100 || dropped != 9*maxSamples {
			t.Errorf("%d samples wait, %d were dropped, there are %d rules", samples, dropped, rules)
		}
		began = time.Now()
		r.Close()
		if took := time.Since(began); took != closeTime {
			t.Errorf("the end took %v", took)
		}
	})
}

// TestLastCounts: what is counted last is handed over at the end, however many single
// values a round is still at.
func TestLastCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spire{}
		r := start(s)
		time.Sleep(interval)
		synctest.Wait()
		s.take()
		s.answer = func(ctx context.Context, _ string) error {
			time.Sleep(10 * time.Millisecond)
			return ctx.Err()
		}
		for range maxSamples {
			r.Observe(StepTime, 1, "verify")
		}
		time.Sleep(interval + time.Second) // of the four that the round has
		r.Count(Attestations, 1, "attested")
		r.Close()
		counts := slices.DeleteFunc(s.take(), func(line string) bool { return strings.Contains(line, StepTime.Name) })
		equal(t, "besides single values", counts, "gatehouse.attestations,outcome=attested 1")
	})
}

// TestBounds: no label has a value that is not in the list, or one too many.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spire{}
		r := start(s)
		r.Count(Attestations, 1, "chosen by a node")
		r.Count(Attestations, 1)
		r.Count(Attestations, 1, "attested", "one too many")
		for n := range apiLabel.Max + 10 {
			r.Count(CloudThrottles, 1, fmt.Sprint("api", n))
		}
		r.Count(CloudThrottles, 1, "api0")
		r.Close()
		got := s.take()
		if n := len(got); n != 2+apiLabel.Max+1 {
			t.Errorf("%d series", n)
		}
		for _, want := range []string{
			"gatehouse.attestations,outcome=other 2", "gatehouse.attestations,outcome=attested 1",
			"gatehouse.cloud_throttles,api=other 10", "gatehouse.cloud_throttles,api=api0 2",
		} {
			if !slices.Contains(got, want) {
				t.Errorf("%s is not among %q", want, got)
			}
		}
	})
}

// A nil Recorder, of a SPIRE without the service, does nothing.
func TestNoService(t *testing.T) {
	r := Start(nil, "aws_iid", hclog.NewNullLogger())
	r.Count(Attestations, 1, "attested")
	r.Set(PolicyInfo, 1, Enforcing, "abc")
	r.SetSince(PolicyAge, time.Now(), Enforcing)
	r.End(PolicyAge, Enforcing)
	r.Observe(StepTime, 1, "verify")
	r.Close()
	if r != nil {
		t.Errorf("got %v", r)
	}
}

func BenchmarkCount(b *testing.B) {
	r := start(&spire{})
	defer r.Close()
	for b.Loop() {
		r.Count(Rules, 1, "tofu", "denied")
	}
}
