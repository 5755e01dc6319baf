package attestor

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence"
)

// slow is a collector whose verification takes as long as it is told. It refuses
// every payload.
type slow struct {
	evidence.Collector
	came    chan struct{}
	proceed chan struct{}
}

func newSlow() slow { return slow{came: make(chan struct{}, 100), proceed: make(chan struct{})} }

func (s slow) Verify(ctx context.Context, _ []byte) (evidence.Evidence, error) {
	s.came <- struct{}{}
	select {
	case <-s.proceed:
		return nil, fmt.Errorf("seen to the end")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// serveSlow serves a plugin whose collectors are made by its configuration: the
// text names the next one. released has the names of those that were released.
func serveSlow(t *testing.T, collectors map[string]slow) (p *plugin, released chan string) {
	t.Helper()
	released = make(chan string, 10)
	kind := Kind{name: "aws_iid", build: func(_ context.Context, text string, _ host) (built, []plugindata.Problem) {
		o := plugindata.Parse(text)
		name := textOr(o, "name", "")
		limits := buildLimits(o)
		config, _ := buildAWSIID("", environment(nil))
		return built{
			collector: collectors[name], policyConfig: config.policyConfig(), cloudTimeout: time.Minute, limits: limits,
			release: func() { released <- name },
		}, o.Problems()
	}}
	return serveKind(t, kind, &agentStore{}), released
}

// begin starts an attestation and returns where its error will come.
func (p *plugin) begin(t *testing.T) <-chan error {
	t.Helper()
	answer := make(chan error, 1)
	go func() {
		_, err := p.attest(t, []byte("payload"))
		answer <- err
	}()
	return answer
}

// TestConfigureLetsRunningAttestationsEnd: what runs is decided with the
// configuration that it began with, which is released when the last is over.
func TestConfigureLetsRunningAttestationsEnd(t *testing.T) {
	collectors := map[string]slow{"old": newSlow(), "new": newSlow()}
	p, released := serveSlow(t, collectors)
	p.configure(t, `name = "old"`)
	first, second := p.begin(t), p.begin(t)
	<-collectors["old"].came
	<-collectors["old"].came

	p.configure(t, `name = "new"`)
	third := p.begin(t)
	<-collectors["new"].came
	collectors["old"].proceed <- struct{}{}
	select {
	case err := <-first:
		t.Logf("the first: %v", err)
	case err := <-second:
		second = first
		t.Logf("the second: %v", err)
	}
	select {
	case name := <-released:
		t.Fatalf("%s was released while it was in use", name)
	default:
	}
	collectors["old"].proceed <- struct{}{}
	if err := <-second; status.Code(err) != codes.InvalidArgument {
		t.Errorf("the last with the old configuration: %v", err)
	}
	if name := <-released; name != "old" {
		t.Errorf("%s was released", name)
	}
	close(collectors["new"].proceed)
	if err := <-third; status.Code(err) != codes.InvalidArgument {
		t.Errorf("with the new configuration: %v", err)
	}
}

// TestUnusedConfigurationIsReleasedAtOnce: nobody needs to come for it.
func TestUnusedConfigurationIsReleasedAtOnce(t *testing.T) {
	p, released := serveSlow(t, map[string]slow{"old": newSlow(), "new": newSlow()})
	p.configure(t, `name = "old"`)
	p.configure(t, `name = "new"`)
	if name := <-released; name != "old" {
		t.Errorf("%s was released", name)
	}
}

// TestCloseWaits: an attestation that runs comes to its end, a new one is told to
// try again, and only then is Close over.
func TestCloseWaits(t *testing.T) {
	collectors := map[string]slow{"only": newSlow()}
	p, released := serveSlow(t, collectors)
	p.configure(t, `name = "only"`)
	running := p.begin(t)
	<-collectors["only"].came

	closed := make(chan error, 1)
	go func() { closed <- p.under.Close() }()
	p.under.open.waitForEnd()
	_, err := p.attest(t, []byte("payload"))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("a new one: %v", err)
	}
	if line := p.logs.next(t, "Node attestation refused"); line["reason"] != "the plugin is shutting down" {
		t.Errorf("the log says %v", line)
	}
	select {
	case <-closed:
		t.Fatal("Close did not wait")
	default:
	}
	close(collectors["only"].proceed)
	if err := <-running; status.Code(err) != codes.InvalidArgument {
		t.Errorf("the one that ran: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if name := <-released; name != "only" {
		t.Errorf("%s was released", name)
	}
	if _, err := p.config.Configure(t.Context(), configure("")); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("configured after Close: %v", err)
	}
}

// waitForEnd waits until nobody may enter any more.
func (l *lease) waitForEnd() {
	for {
		l.mu.Lock()
		ended := l.ended
		l.mu.Unlock()
		if ended {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestCloseWaitsNotForEver: SPIRE would kill the plugin.
func TestCloseWaitsNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := &logSink{}
		p := New(AWSIID())
		p.SetLogger(logs.logger())
		if !p.open.enter() {
			t.Fatal("can't enter")
		}
		began := time.Now()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != drainTime {
			t.Errorf("Close took %s, want %s", took, drainTime)
		}
		if line := logs.only(t); line["attestations"] != 1 {
			t.Errorf("the log says %v", line)
		}
		p.open.leave()
	})
}

// TestGate: so many run, so many wait, in their order, and no more and no longer.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(limits{Concurrent: 2, Waiting: 1, Wait: time.Second})
		for range 2 {
			if err := g.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var waited atomic.Bool
		go func() {
			if err := g.enter(t.Context()); err != nil {
				t.Errorf("the one that waits: %v", err)
			}
			waited.Store(true)
		}()
		synctest.Wait()
		err := g.enter(t.Context())
		if err == nil || err.Error() != "2 attestations run and 1 wait already, which are limits.max_concurrent and limits.max_waiting" {
			t.Errorf("one too many: %v", err)
		}
		if waited.Load() {
			t.Error("the one that waits has come in")
		}
		g.leave()
		synctest.Wait()
		if !waited.Load() {
			t.Error("the one that waits has not come in")
		}

		began := time.Now()
		err = g.enter(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "no turn within 1s, while 2 attestations run") || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		if err := g.enter(gone); err == nil {
			t.Error("one who has hung up was let in")
		}
		g.leave()
		if err := g.enter(t.Context()); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
	})
}

// TestTooManyAtATime: the same through the plugin. Those beyond the limits are
// told to try again, and cost nothing.
func TestTooManyAtATime(t *testing.T) {
	collectors := map[string]slow{"only": newSlow()}
	p, _ := serveSlow(t, collectors)
	text := `name = "only" limits { max_concurrent = 2 max_waiting = 0 }`
	p.configure(t, text)
	first := p.begin(t)
	<-collectors["only"].came
	p.configure(t, text) // the gate stays, with those who have gone through it
	second := p.begin(t)
	<-collectors["only"].came

	stream, err := p.attestor.Attest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&nodeattestorv1.AttestRequest{Request: &nodeattestorv1.AttestRequest_Payload{Payload: []byte("payload")}}); err != nil {
		t.Errorf("SPIRE can't send its payload: %v", err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the third: %v", err)
	}
	want := "too much at a time: 2 attestations run and 0 wait already, which are limits.max_concurrent and limits.max_waiting"
	if line := p.logs.next(t, "Node attestation refused"); line["reason"] != want || line["outcome"] != "unavailable" {
		t.Errorf("the log says %v", line)
	}
	close(collectors["only"].proceed)
	for _, answer := range []func() error{
		func() error { return <-first }, func() error { return <-second },
		func() error { return <-p.begin(t) }, // when there is room again
	} {
		if err := answer(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("got %v", err)
		}
	}
}
