package attestor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/attestor/telemetry"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
	"github.com/spire-gatehouse/gatehouse/rego"
)

const (
	// The shadow policy rests after each decision for as long as that took, and for
	// nine times as long if it failed: it takes half of one core at most, and a tenth
	// when it does nothing but run out of time. Those who are being attested need the
	// cores more.
	shadowRest       = 1
	shadowFailedRest = 9
)

// shadow is a policy that is asked about live traffic too, and whose answers only
// show what would be different. One goroutine asks it, when an attestation is over:
// it can't change or delay an answer. A nil one does nothing.
type shadow struct {
	feed  policyFeed
	log   hclog.Logger
	meter meter
	tell  func(*decisionlog.Event) // the decision log

	engine atomic.Pointer[rego.Engine] // nil while no revision is good
	queue  chan shadowCase

	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{} // closed with the goroutine; nil until start

	swapping sync.Mutex // held while metrics are told of a revision
}

// shadowCase is a decision that was made.
type shadowCase struct {
	event     *decisionlog.Event
	judgement judgement
}

// unfedShadow is one that has no policy yet.
func (p *Plugin) unfedShadow() *shadow {
	return &shadow{log: p.log, meter: p.meter, tell: p.decisions.put, queue: make(chan shadowCase, maxShadowWaiting)}
}

// newShadow is the shadow policy of a loader; start starts it. What is wrong with
// its policy, it tells the server's log later, since it must keep nobody from
// being configured; the error is of its configuration.
func (p *Plugin) newShadow(loader policyLoader) (*shadow, error) {
	s := p.unfedShadow()
	follower := &policyFollower{loader: loader, role: shadowRole, log: p.log, events: changes{p.meter, telemetry.Shadow}}
	var err error
	if loader.source.Bundles != nil {
		s.feed, err = newLateBundles(follower)
	} else {
		s.feed, err = newWatch(follower)
	}
	if err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// start has the shadow policy loaded, and asked from then on.
func (s *shadow) start() {
	if s == nil {
		return
	}
	s.ended = make(chan struct{})
	s.feed.follow(s.swap)
	go s.run()
}

func (s *shadow) swap(ctx context.Context, next policyRevision) bool {
	s.swapping.Lock()
	defer s.swapping.Unlock()
	if ctx.Err() != nil {
		return false
	}
	s.meter.inForce(telemetry.Shadow, s.engine.Swap(next.engine), next.engine)
	return true
}

// stop ends it, and returns a wait for the end of its goroutines, which is bounded: a
// policy that can't be stopped, in an evaluation or in its tests, must keep no other
// from being configured.
func (s *shadow) stop() (wait func()) {
	if s == nil {
		return func() {}
	}
	s.cancel()
	fed := s.feed.stop()
	s.swapping.Lock()
	defer s.swapping.Unlock()
	s.meter.ended(telemetry.Shadow, s.engine.Load())
	return func() {
		over := make(chan struct{})
		go func() {
			defer close(over)
			fed()
			if s.ended != nil {
				<-s.ended
			}
		}()
		select {
		case <-over:
		case <-time.After(shadowEndTime):
			s.log.Error("Shadow policy can't be stopped: its goroutines are left behind", "waited", shadowEndTime.String())
		}
	}
}

// offer has a decision put to the shadow policy too, unless too many wait already.
// It doesn't wait. What no policy judged, or judged out of shape, is left out.
func (s *shadow) offer(e *decisionlog.Event, j *judgement) {
	if s == nil || j == nil || s.engine.Load() == nil {
		return
	}
	switch e.Outcome.Outcome {
	case outcomeAttested, denied.name, deniedForNow.name:
	default:
		return
	}
	select {
	case s.queue <- shadowCase{e, *j}:
	default:
		s.meter.Count(telemetry.ShadowDecisions, 1, "dropped")
	}
}

func (s *shadow) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.ctx.Done():
			return
		case c := <-s.queue:
			began := time.Now()
			rest := time.Duration(shadowRest)
			if !s.ask(c) {
				rest = shadowFailedRest
			}
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(rest * time.Since(began)):
			}
		}
	}
}

// ask puts one decision to the shadow policy, and says whether that went well. A
// panic did not.
func (s *shadow) ask(c shadowCase) (ok bool) {
	err := s.judge(c)
	var panicked *recovered.Panic
	if errors.As(err, &panicked) {
		s.meter.Count(telemetry.Panics, 1, "shadow")
		s.log.Error("Panic in the shadow policy's evaluation: please report it", "decision_id", c.event.DecisionID,
			"panic", cutReason(panicked.Error()), "stack", cutReason(string(panicked.Stack)))
	}
	return err == nil
}

// judge tells of the difference that the shadow policy makes to one decision.
func (s *shadow) judge(c shadowCase) (err error) {
	defer recovered.To(&err)
	engine := s.engine.Load()
	var asked rego.Asked
	began := time.Now()
	again, decided, err := judgeAgain(rego.WithObserver(s.ctx, func(a rego.Asked) { asked = a }), engine, c.judgement)
	if s.ctx.Err() != nil {
		return nil
	}
	took := time.Since(began)
	s.meter.Observe(telemetry.ShadowTime, telemetry.Milliseconds(took))

	var result decisionlog.Shadow
	counted := "same"
	switch {
	case err != nil:
		counted, result = "failed", decisionlog.Shadow{Outcome: "failed", Error: cutReason(err.Error())}
	case !decided:
		counted, result = "undecided", decisionlog.Shadow{Outcome: "undecided", FactsMissing: again.missing}
	default:
		switch result = compare(c.judgement, again); {
		case len(result.Differences) > 0:
			counted = "different"
		case len(again.missing) > 0: // what it would have gathered may have made a difference
			counted, result = "undecided", decisionlog.Shadow{Outcome: "undecided", FactsMissing: again.missing}
		}
	}
	result.Revision = engine.Revision()
	s.meter.Count(telemetry.ShadowDecisions, 1, counted)
	for _, difference := range result.Differences {
		s.meter.Count(telemetry.ShadowDifferences, 1, difference)
	}
	if counted != "same" {
		s.tell(shadowEvent(c.event, asked, &result, took))
	}
	return err
}

// shadowEvent is what the decision log has of a difference: the event of the
// decision, with what the shadow policy was asked and answered.
func shadowEvent(decided *decisionlog.Event, asked rego.Asked, result *decisionlog.Shadow, took time.Duration) *decisionlog.Event {
	e := *decided
	e.Asked = asked
	e.Took = map[string]time.Duration{"shadow": took}
	e.Outcome.Rules, e.Outcome.Calls, e.Outcome.Lookups = nil, nil, nil
	e.Outcome.Shadow = result
	return &e
}

// lateBundles are bundles of which none need be there to begin with.
type lateBundles struct {
	*policyBundles
	started chan struct{} // closed when the copies on disk have been offered; nil until follow
	failed  bool          // so that there is nothing to stop
}

func newLateBundles(f *policyFollower) (*lateBundles, error) {
	b, _, err := newBundles(f, true)
	if err != nil {
		return nil, err
	}
	return &lateBundles{policyBundles: b}, nil
}

func (b *lateBundles) follow(swap func(context.Context, policyRevision) bool) policyRevision {
	none := b.policyFollower.follow(swap)
	b.started = make(chan struct{})
	go func() {
		defer close(b.started)
		err := b.source.Start(b.ctx)
		b.failed = err != nil
		if b.failed && b.ctx.Err() == nil {
			b.log.Error("Shadow policy bundles can't be got", "problem", oneLine(err.Error()))
		}
	}()
	return none
}

func (b *lateBundles) stop() (wait func()) {
	b.cancel()
	return func() {
		if b.started != nil {
			<-b.started
		}
		if !b.failed {
			b.source.Stop()
		}
	}
}
