package telemetry

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	metricsv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/common/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Service is what of SPIRE's Metrics host service is used.
type Service interface {
	IncrCounter(context.Context, *metricsv1.IncrCounterRequest, ...grpc.CallOption) (*emptypb.Empty, error)
	SetGauge(context.Context, *metricsv1.SetGaugeRequest, ...grpc.CallOption) (*emptypb.Empty, error)
	AddSample(context.Context, *metricsv1.AddSampleRequest, ...grpc.CallOption) (*emptypb.Empty, error)
}

// notHandedOver is a message that operators look for.
const notHandedOver = "SPIRE does not take metrics"

// run hands over until ctx ends, and once more then: what was counted last comes
// before single values that a round is still at.
func (r *Recorder) run(ctx context.Context) {
	defer close(r.ended)
	work, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(closeTime, giveUp) })()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.round(work, ctx.Done())
		case <-ctx.Done():
			r.round(work, nil)
			return
		}
	}
}

// round hands over what there is, or until it is interrupted. One goroutine does, one
// figure after the other: two first values of one counter at the same time can lose one
// in SPIRE.
func (r *Recorder) round(ctx context.Context, interrupted <-chan struct{}) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("Panic while metrics were handed over: please report it", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	batch := r.take()
	for i, f := range batch {
		select {
		case <-interrupted:
			r.putBack(batch[i:])
			return
		default:
		}
		err := r.send(ctx, f)
		if err == nil {
			continue
		}
		// The one that failed may have got there: it is not sent again.
		r.giveBack(f.metric.Kind, batch[i+1:])
		if !r.failing {
			r.failing = true
			r.log.Warn(notHandedOver, "error", err)
		}
		return
	}
	if r.failing && len(batch) > 0 {
		r.failing = false
		r.log.Info("SPIRE takes metrics again")
	}
}

// take takes all figures out, but ages, which are of now.
func (r *Recorder) take() []figure {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range []Kind{Counter, Gauge, Summary} {
		if n := r.dropped[kind]; n > 0 {
			r.add(figure{Dropped, []string{string(kind)}, float64(n)})
		}
	}
	clear(r.dropped)
	var batch []figure
	for _, f := range r.counts {
		batch = append(batch, f)
	}
	for _, f := range r.gauges {
		batch = append(batch, f)
	}
	for _, s := range r.sinces {
		s.value = time.Since(s.at).Seconds()
		batch = append(batch, s.figure)
	}
	slices.SortFunc(batch, func(a, b figure) int { return strings.Compare(a.key(), b.key()) })
	batch = append(batch, r.samples...)
	clear(r.counts)
	clear(r.gauges)
	r.samples = nil
	return batch
}

// giveBack keeps what was not sent after a failure for the next round, but for single
// values, of which newer ones will do.
func (r *Recorder) giveBack(failed Kind, unsent []figure) {
	single := slices.IndexFunc(unsent, func(f figure) bool { return f.metric.Kind == Summary })
	if single < 0 {
		single = len(unsent)
	}
	r.putBack(unsent[:single])
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped[failed]++
	r.dropped[Summary] += len(unsent) - single
}

// putBack keeps what was not sent for the next round: counts, which are few however
// many there are, gauges that were not set meanwhile, and single values.
func (r *Recorder) putBack(unsent []figure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range unsent {
		switch f.metric.Kind {
		case Counter:
			r.add(f)
		case Gauge:
			_, newer := r.gauges[f.key()]
			_, age := r.sinces[f.key()]
			if !newer && !age {
				r.gauges[f.key()] = f
			}
		default:
			if len(r.samples) == maxSamples {
				r.dropped[f.metric.Kind]++
				continue
			}
			r.samples = append(r.samples, f)
		}
	}
}

func (r *Recorder) send(ctx context.Context, f figure) error {
	key := []string{Prefix, f.metric.Name}
	labels := []*metricsv1.Label{{Name: "plugin", Value: r.plugin}}
	for i, label := range f.metric.Labels {
		labels = append(labels, &metricsv1.Label{Name: label.Name, Value: f.labels[i]})
	}
	var err error
	switch f.metric.Kind {
	case Counter:
		_, err = r.service.IncrCounter(ctx, &metricsv1.IncrCounterRequest{Key: key, Val: float32(f.value), Labels: labels})
	case Gauge:
		_, err = r.service.SetGauge(ctx, &metricsv1.SetGaugeRequest{Key: key, Val: float32(f.value), Labels: labels})
	default:
		_, err = r.service.AddSample(ctx, &metricsv1.AddSampleRequest{Key: key, Val: float32(f.value), Labels: labels})
	}
	return err
}
