package attestor

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	metricsv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/common/metrics/v1"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/telemetry"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
	"github.com/spire-gatehouse/gatehouse/internal/stack"
	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/tofu"
)

// Plugin is a SPIRE server NodeAttestor. Make one with New. All methods are safe
// for concurrent use once SPIRE has initialised it.
type Plugin struct {
	nodeattestorv1.UnsafeNodeAttestorServer
	configv1.UnsafeConfigServer

	kind   Kind
	env    func(string) string
	now    func() time.Time
	log    hclog.Logger
	agents *tofu.Store

	// meter counts, if SPIRE takes metrics.
	meter meter

	// current is what attestations that start now are decided with; nil until
	// configured. It is replaced whole and never changed.
	current atomic.Pointer[snapshot]

	// replacing is held while current is replaced and, by Configure, while it is
	// loaded. policy keeps the policy of current up to date; nil until configured.
	// claims are what configurations make their claims of.
	replacing sync.Mutex
	policy    policyFeed
	claims    *claimStore
	closed    bool

	decisions decisions

	// open is what every attestation uses, until Close.
	open lease

	panics atomic.Int64 // since the start
}

var (
	_ nodeattestorv1.NodeAttestorServer = (*Plugin)(nil)
	_ configv1.ConfigServer             = (*Plugin)(nil)
	_ pluginsdk.NeedsLogger             = (*Plugin)(nil)
	_ pluginsdk.NeedsHostServices       = (*Plugin)(nil)
	_ io.Closer                         = (*Plugin)(nil)
)

// New returns a plugin of that kind.
func New(kind Kind) *Plugin {
	return &Plugin{
		kind:   kind,
		env:    os.Getenv,
		now:    time.Now,
		log:    hclog.NewNullLogger(),
		claims: newClaimStore(nil),
	}
}

// SetLogger is called by SPIRE, before anything else.
func (p *Plugin) SetLogger(log hclog.Logger) { p.log = log }

// BrokerHostServices is called by SPIRE, before Configure. Without the AgentStore
// there is no first use, so that there is no plugin either.
func (p *Plugin) BrokerHostServices(broker pluginsdk.ServiceBroker) error {
	store := new(agentstorev1.AgentStoreServiceClient)
	if !broker.BrokerClient(store) {
		return status.Error(codes.Internal, "SPIRE offers no AgentStore host service, which trust on first use needs")
	}
	p.agents = tofu.New(store)
	if metrics := new(metricsv1.MetricsServiceClient); broker.BrokerClient(metrics) {
		p.meter = meter{telemetry.Start(metrics, p.kind.name, p.log)}
	} else {
		p.log.Warn("SPIRE offers no Metrics host service: nothing is counted")
	}
	return nil
}

// Configure takes over new plugin_data if all of it is good. Otherwise it
// reports every problem, and what was in force stays.
func (p *Plugin) Configure(ctx context.Context, req *configv1.ConfigureRequest) (*configv1.ConfigureResponse, error) {
	wait, err := p.configure(ctx, req)
	wait()
	if err != nil {
		p.meter.Count(telemetry.Configurations, 1, "refused")
		return nil, err
	}
	p.meter.Count(telemetry.Configurations, 1, "accepted")
	return &configv1.ConfigureResponse{}, nil
}

// configure replaces what is in force and the feed of its policy. It returns a wait
// for the end of the old feed, which may itself wait for replacing.
func (p *Plugin) configure(ctx context.Context, req *configv1.ConfigureRequest) (wait func(), err error) {
	p.replacing.Lock()
	defer p.replacing.Unlock()
	wait = func() {}
	if p.closed {
		return wait, status.Error(codes.FailedPrecondition, "the plugin is closed")
	}
	next, err := p.load(ctx, req, true)
	if err != nil {
		return wait, err
	}
	// From here on nothing is replaced before all that can fail is done.
	claims, err := p.claims.open(next.claims, next.cloudTimeout)
	if err != nil {
		return next.stop(), configError([]string{err.Error()})
	}
	labels := map[string]string{"plugin": p.kind.name, "trust_domain": next.trustDomain.Name()}
	if err := p.decisions.configure(next.decisionLog, labels, p.log, p.meter); err != nil {
		p.claims.drop(claims)
		return next.stop(), configError([]string{"decision_log: " + err.Error()})
	}
	p.claims.use(claims)
	next.snapshot.claims = claims.Claims
	wait = p.stopPolicy()
	p.policy = next.policy
	revision := p.policy.follow(p.swapPolicy)
	if previous := p.putInForce(next.with(revision)); previous != nil {
		previous.lease.end()
	}
	next.shadow.start()
	if err := p.claims.ready(ctx); err != nil {
		p.log.Error("The database for claims can't be used; until it can, no node is let in", "error", err)
	}
	for _, warning := range next.warnings {
		p.log.Warn("Configuration weakens attestation", "warning", warning)
	}
	fields := []any{"policy_revision", revision.engine.Revision(), "trust_domain", next.trustDomain.Name()}
	p.log.Info("Configured", append(fields, revision.logFields()...)...)
	return wait, nil
}

// stopPolicy stops the feed, if there is one, and the shadow policy of what is in
// force, and returns a wait for their end.
func (p *Plugin) stopPolicy() (wait func()) {
	if p.policy == nil {
		return func() {}
	}
	policy, shadow := p.policy.stop(), p.current.Load().shadow.stop()
	p.policy = nil
	return func() {
		policy()
		shadow()
	}
}

// swapPolicy puts a revision in force, unless ctx, which is the feed's, has ended:
// then another configuration may be.
func (p *Plugin) swapPolicy(ctx context.Context, next policyRevision) bool {
	p.replacing.Lock()
	defer p.replacing.Unlock()
	if ctx.Err() != nil {
		return false
	}
	p.putInForce(p.current.Load().with(next))
	return true
}

// putInForce is called with replacing held. It returns what was in force, if
// anything was.
func (p *Plugin) putInForce(next *snapshot) (previous *snapshot) {
	previous = p.current.Swap(next)
	var before *rego.Engine
	var replaced []string
	if previous != nil {
		before, replaced = previous.engine, previous.replaced
	}
	p.meter.inForce(telemetry.Enforcing, before, next.engine)
	if len(next.replaced) > 0 && !slices.Equal(replaced, next.replaced) {
		p.log.Warn(policyReplaces, "files", strings.Join(next.replaced, " "), "policy_revision", next.engine.Revision())
	}
	return previous
}

// Close is called by SPIRE's plugin SDK before the process ends. Attestations that
// run come to their end, but for those that take longer than drainTime; new ones
// are told to try again.
func (p *Plugin) Close() error {
	p.replacing.Lock()
	p.closed = true
	wait := p.stopPolicy()
	p.replacing.Unlock()
	p.drain()
	if s := p.current.Load(); s != nil {
		s.lease.end()
	}
	wait()
	p.decisions.close()
	p.claims.close()
	p.meter.Close()
	return nil
}

// Validate reports what Configure would, and changes nothing.
func (p *Plugin) Validate(ctx context.Context, req *configv1.ValidateRequest) (*configv1.ValidateResponse, error) {
	loaded, err := p.load(ctx, req, false)
	if err != nil {
		return &configv1.ValidateResponse{Notes: problemsOf(err)}, nil
	}
	loaded.stop()()
	return &configv1.ValidateResponse{Valid: true}, nil
}

// Attest decides about one node. The stream carries one payload and one answer.
func (p *Plugin) Attest(stream nodeattestorv1.NodeAttestor_AttestServer) error {
	err := p.serve(stream)
	if bug := new(recovered.Panic); errors.As(err, &bug) {
		rec := &record{decisionID: uuid.NewString()} // that of the attestation may be what panicked
		p.notePanic(rec, bug)
		return refuse(panicked, "%w", bug).status(rec.decisionID)
	}
	return err
}

// serve is Attest. A panic of the decision itself is a refusal like any other; its
// own error is one only if that couldn't be told.
func (p *Plugin) serve(stream nodeattestorv1.NodeAttestor_AttestServer) (failed error) {
	defer recovered.To(&failed)
	ctx := stream.Context()
	s, leave, err := p.enter(ctx)
	defer leave()
	stack.Grow()
	// The payload is received even if there is no time for it: SPIRE takes a
	// plugin that answers before it has been asked for a broken one.
	req, failure := stream.Recv()
	if failure != nil {
		return failure
	}
	rec := newRecord(p.now, s, p.meter)
	rec.peerIP = peerIP(ctx)
	if err == nil {
		err = attestSafely(rec.observe(ctx), s, rec, req.GetPayload())
	}
	if err != nil {
		p.notePanic(rec, err)
		r := asRefusal(ctx, err)
		p.tell(rec, r)
		return r.status(rec.decisionID)
	}
	p.tell(rec, nil)
	return stream.Send(&nodeattestorv1.AttestResponse{
		Response: &nodeattestorv1.AttestResponse_AgentAttributes{
			AgentAttributes: &nodeattestorv1.AgentAttributes{
				SpiffeId:       rec.agentID,
				SelectorValues: rec.selectors,
				CanReattest:    rec.canReattest,
			},
		},
	})
}

// tell has both logs, the metrics and the shadow policy know what came of an
// attestation.
func (p *Plugin) tell(rec *record, r *refusal) {
	rec.took["total"] = p.now().Sub(rec.started)
	rec.log(p.log, r)
	p.meter.attested(rec, r)
	e := rec.event(r)
	p.decisions.put(e)
	if rec.snapshot != nil {
		rec.snapshot.shadow.offer(e, rec.judged)
	}
}

// attestSafely attests with a snapshot, of which there is none before SPIRE has
// configured the plugin.
func attestSafely(ctx context.Context, s *snapshot, rec *record, payload []byte) error {
	if s == nil {
		return refuse(notConfigured, "SPIRE has not configured the plugin")
	}
	a := &attestation{snapshot: s, record: rec}
	return a.runSafely(ctx, payload)
}

// runSafely turns a panic into a refusal: SPIRE does not restart a plugin that died,
// so one node's input must never take all others down.
func (a *attestation) runSafely(ctx context.Context, payload []byte) (err error) {
	defer recovered.To(&err)
	return a.run(ctx, payload)
}

// notePanic counts a panic, wherever in the attestation it was, and logs where.
func (p *Plugin) notePanic(rec *record, err error) {
	var panicked *recovered.Panic
	if !errors.As(err, &panicked) {
		return
	}
	p.meter.Count(telemetry.Panics, 1, "attestation")
	p.log.Error("Panic in an attestation: please report it", "decision_id", rec.decisionID,
		"panic", cutReason(panicked.Error()), "stack", cutReason(string(panicked.Stack)), "panics", p.panics.Add(1))
}
