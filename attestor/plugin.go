package attestor

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/tofu"
)

// claimTTL is how long an accepted agent's claim is kept: SPIRE stores an agent
// within milliseconds of the answer, or seconds where its datastore is slow.
const claimTTL = 30 * time.Second

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
	claims *tofu.Claims

	// current is what attestations that start now are decided with; nil until
	// configured. It is replaced whole and never changed.
	current atomic.Pointer[snapshot]
}

var (
	_ nodeattestorv1.NodeAttestorServer = (*Plugin)(nil)
	_ configv1.ConfigServer             = (*Plugin)(nil)
	_ pluginsdk.NeedsLogger             = (*Plugin)(nil)
	_ pluginsdk.NeedsHostServices       = (*Plugin)(nil)
)

// New returns a plugin of that kind.
func New(kind Kind) *Plugin {
	return &Plugin{
		kind:   kind,
		env:    os.Getenv,
		now:    time.Now,
		log:    hclog.NewNullLogger(),
		claims: tofu.NewClaims(claimTTL, time.Now),
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
	return nil
}

// Configure takes over new plugin_data if all of it is good. Otherwise it
// reports every problem, and what was in force stays.
func (p *Plugin) Configure(ctx context.Context, req *configv1.ConfigureRequest) (*configv1.ConfigureResponse, error) {
	s, err := p.load(ctx, req)
	if err != nil {
		return nil, err
	}
	p.current.Store(s)
	p.log.Info("Configured", "policy_revision", s.engine.Revision(), "trust_domain", s.trustDomain.Name())
	return &configv1.ConfigureResponse{}, nil
}

// Validate reports what Configure would, and changes nothing.
func (p *Plugin) Validate(ctx context.Context, req *configv1.ValidateRequest) (*configv1.ValidateResponse, error) {
	if _, err := p.load(ctx, req); err != nil {
		return &configv1.ValidateResponse{Notes: problemsOf(err)}, nil
	}
	return &configv1.ValidateResponse{Valid: true}, nil
}

// Attest decides about one node. The stream carries one payload and one answer.
func (p *Plugin) Attest(stream nodeattestorv1.NodeAttestor_AttestServer) error {
	ctx := stream.Context()
	req, err := stream.Recv()
	if err != nil {
		return err
	}
	s := p.current.Load()
	rec := newRecord(p.now(), s)
	if err := attestSafely(ctx, s, rec, req.GetPayload()); err != nil {
		r := asRefusal(ctx, err)
		rec.log(p.log, p.now(), r)
		return r.status(rec.decisionID)
	}
	rec.log(p.log, p.now(), nil)
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

// attestSafely turns a panic into a refusal: SPIRE does not restart a plugin
// that died, so one node's input must never take all others down.
func attestSafely(ctx context.Context, s *snapshot, rec *record, payload []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = refuse(internal, "panic: %w\n%s", fmt.Errorf("%v", r), debug.Stack())
		}
	}()
	if s == nil {
		return refuse(notConfigured, "SPIRE has not configured the plugin")
	}
	a := &attestation{snapshot: s, record: rec}
	return a.run(ctx, payload)
}
