package attestor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	"github.com/spiffe/spire-plugin-sdk/plugintest"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	testauthority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// The plugin over gRPC, as SPIRE talks to it: the real collector, the baseline
// policy, documents that a test authority really signed. What is verified and
// decided is those packages' own tests' business; here it is the order of the
// steps, and what comes of each.

const agentID = "spiffe://example.org/spire/agent/aws_iid/123456789012/us-west-2/i-0b22a22eec53b9321"

// baseConfig spares these tests block devices and instance profiles, which are
// other tests' business.
const baseConfig = `
	skip_block_device = true
	disable_instance_profile_selectors = true
`

var authority = sync.OnceValues(func() (*testauthority.Authority, error) { return testauthority.New("us-west-2") })

func TestAttest(t *testing.T) {
	good := payload(t, nil)
	for name, tc := range map[string]struct {
		payload  []byte
		cloud    func(*cloud, *agentStore)
		attested string // an agent ID that SPIRE knows
		storeErr error

		code   codes.Code
		class  string // of the refusal
		reason string // in the log, never at the agent
		calls  int    // of EC2
	}{
		"good": {payload: good, calls: 1},
		"empty payload": {
			payload: nil, code: codes.InvalidArgument, class: "bad_evidence", reason: "verify: the payload is empty",
		},
		"document changed after it was signed": {
			payload: []byte(strings.Replace(string(good), "123456789012", "210987654321", 1)),
			code:    codes.InvalidArgument, class: "bad_evidence", reason: "verify: awsiid: rsa2048: what is signed is not the document",
		},
		"denied on signed claims alone": {
			payload: payload(t, func(p map[string]string) { p["rsa2048"] = "" }),
			code:    codes.PermissionDenied, class: "denied",
			reason: "signature_strength: the identity document is signed with rsa1024, not with rsa2048",
		},
		"replay costs no cloud call": {
			payload: good, attested: agentID,
			code: codes.PermissionDenied, class: "denied",
			reason: "tofu: agent /spire/agent/aws_iid/123456789012/us-west-2/i-0b22a22eec53b9321 has attested before; evict it to let the instance attest again",
		},
		"attested by another while facts were gathered": {
			payload: good,
			cloud:   func(c *cloud, s *agentStore) { c.onCall = func() { s.add(agentID) } },
			code:    codes.PermissionDenied, class: "denied",
			reason: "tofu: agent /spire/agent/aws_iid/123456789012/us-west-2/i-0b22a22eec53b9321 has attested before; evict it to let the instance attest again",
			calls:  1,
		},
		"SPIRE's datastore does not answer": {
			payload: good, storeErr: status.Error(codes.Internal, "datastore is down"),
			code: codes.Unavailable, class: "unavailable",
			reason: "first use: tofu: ask SPIRE's agent store for " + agentID + ": rpc error: code = Internal desc = datastore is down",
		},
		"a required fact can't be learned": {
			payload: good,
			cloud:   func(c *cloud, _ *agentStore) { c.err = errors.New("throttled") },
			code:    codes.Unavailable, class: "unavailable",
			reason: "gather: fact instance: awsiid: ec2:DescribeInstances of i-0b22a22eec53b9321 in account 123456789012, region us-west-2: throttled",
			calls:  1,
		},
		"the cloud knows no such instance": {
			payload: good,
			cloud:   func(c *cloud, _ *agentStore) { c.instances = nil },
			code:    codes.PermissionDenied, class: "denied",
			reason: "instance_state: instance i-0b22a22eec53b9321 is unknown to EC2, not pending or running; instance_state: the document is of instance i-0b22a22eec53b9321, the facts are of <undefined>",
			calls:  1,
		},
		"panic while gathering": {
			payload: good,
			cloud:   func(c *cloud, _ *agentStore) { c.onCall = func() { panic("nil pointer") } },
			code:    codes.Unavailable, class: "unavailable",
			reason: "gather: fact instance: awsiid: fact instance: panic: nil pointer",
			calls:  1,
		},
		"policy's answer is out of shape": {
			payload: good,
			cloud:   func(c *cloud, _ *agentStore) { c.instances[0].Tags[0].Value = aws.String(strings.Repeat("x", 256)) },
			code:    codes.Internal, class: "internal",
			calls: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &agentStore{err: tc.storeErr}
			if tc.attested != "" {
				store.add(tc.attested)
			}
			c := newCloud()
			if tc.cloud != nil {
				tc.cloud(c, store)
			}
			p := serve(t, c, store)
			p.configure(t, baseConfig)

			got, err := p.attest(t, tc.payload)
			if status.Code(err) != tc.code {
				t.Fatalf("got code %v (%v), want %v", status.Code(err), err, tc.code)
			}
			if c.calls != tc.calls {
				t.Errorf("%d calls of EC2, want %d", c.calls, tc.calls)
			}
			line := p.logs.only(t)
			if tc.code == codes.OK {
				want := &nodeattestorv1.AgentAttributes{SpiffeId: agentID, SelectorValues: []string{
					"account_id:123456789012", "az:us-west-2b", "image:id:ami-5fb8c835",
					"instance:id:i-0b22a22eec53b9321", "region:us-west-2", "tag:Name:blog",
				}}
				if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			if line["outcome"] != tc.class {
				t.Errorf("logged outcome %v, want %v", line["outcome"], tc.class)
			}
			if tc.reason != "" && line["reason"] != tc.reason {
				t.Errorf("logged reason\n%q, want\n%q", line["reason"], tc.reason)
			}
			// The agent may be an attacker: it learns the class, and what to quote.
			public, id, _ := strings.Cut(status.Convert(err).Message(), " (decision ")
			if !slices.ContainsFunc([]class{badEvidence, denied, unavailable, internal},
				func(c class) bool { return c.public == public && c.name == tc.class }) {
				t.Errorf("the agent is told %q", public)
			}
			if strings.TrimSuffix(id, ")") != line["decision_id"] {
				t.Errorf("the agent is told decision %q, the log says %v", id, line["decision_id"])
			}
		})
	}
}

// panicking is a collector with a bug.
type panicking struct{ evidence.Collector }

func (panicking) Verify(context.Context, []byte) (evidence.Evidence, error) { panic("nil pointer") }

func TestPanicIsARefusal(t *testing.T) {
	s := &snapshot{collector: panicking{}}
	err := attestSafely(t.Context(), s, &record{}, []byte("payload"))
	r := asRefusal(t.Context(), err)
	if r.class != internal || !strings.HasPrefix(r.Error(), "panic: nil pointer\ngoroutine ") {
		t.Errorf("got %v: %v", r.class, r)
	}
}

func TestHangingUpHidesNoVerdict(t *testing.T) {
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	verdict := deny([]rego.Violation{{Rule: "tofu", Msg: "has attested before"}})
	for name, tc := range map[string]struct {
		ctx  context.Context
		err  error
		want class
	}{
		"denied, then hung up":       {gone, verdict, denied},
		"forged, then hung up":       {gone, refuse(badEvidence, "forged"), badEvidence},
		"denied, and late":           {late, verdict, denied},
		"hung up while facts came":   {gone, refuse(unavailable, "no answer"), cancelled},
		"hung up while policy ran":   {gone, refuse(internal, "stopped"), cancelled},
		"out of time for facts":      {late, refuse(unavailable, "no answer"), outOfTime},
		"still there":                {t.Context(), refuse(unavailable, "no answer"), unavailable},
		"an error that nobody named": {t.Context(), errors.New("surprise"), internal},
	} {
		t.Run(name, func(t *testing.T) {
			if got := asRefusal(tc.ctx, tc.err).class; got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestNotConfigured(t *testing.T) {
	store := &agentStore{}
	p := serve(t, newCloud(), store)
	_, err := p.attest(t, payload(t, nil))
	if status.Code(err) != codes.FailedPrecondition {
		t.Fatalf("got %v", err)
	}
}

func TestConfigure(t *testing.T) {
	store := &agentStore{}
	p := serve(t, newCloud(), store)

	t.Run("every problem at once", func(t *testing.T) {
		_, err := p.config.Configure(t.Context(), &configv1.ConfigureRequest{
			CoreConfiguration: &configv1.CoreConfiguration{TrustDomain: "Not A Trust Domain"},
			HclConfiguration:  "problem",
		})
		want := status.Error(codes.InvalidArgument, `invalid configuration: SPIRE's core configuration: trust_domain: trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores; `+testProblem.String())
		if diff := cmp.Diff(want.Error(), fmt.Sprint(err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("a bad one leaves the old one running", func(t *testing.T) {
		p.configure(t, baseConfig)
		if _, err := p.config.Configure(t.Context(), configure("problem")); status.Code(err) != codes.InvalidArgument {
			t.Fatalf("got %v", err)
		}
		if _, err := p.attest(t, payload(t, nil)); err != nil {
			t.Errorf("attest: %v", err)
		}
	})
	t.Run("validate says the same and changes nothing", func(t *testing.T) {
		bad, err := p.config.Validate(t.Context(), &configv1.ValidateRequest{
			CoreConfiguration: configure("").CoreConfiguration, HclConfiguration: "problem",
		})
		if err != nil || bad.Valid || !slices.Equal(bad.Notes, []string{testProblem.String()}) {
			t.Errorf("got %v, %v", bad, err)
		}
		fine, err := p.config.Validate(t.Context(), &configv1.ValidateRequest{CoreConfiguration: configure("").CoreConfiguration})
		if err != nil || !fine.Valid || len(fine.Notes) != 0 {
			t.Errorf("got %v, %v", fine, err)
		}
	})
}

func TestPeerIP(t *testing.T) {
	for name, tc := range map[string]struct {
		sent []string
		want string
	}{
		"v4":           {[]string{"192.0.2.7"}, "192.0.2.7"},
		"v6":           {[]string{"2001:db8::7"}, "2001:db8::7"},
		"mapped v4":    {[]string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		"none":         {nil, "invalid IP"},
		"empty":        {[]string{""}, "invalid IP"},
		"two":          {[]string{"192.0.2.7", "192.0.2.8"}, "invalid IP"},
		"a host name":  {[]string{"localhost"}, "invalid IP"},
		"with a zone":  {[]string{"fe80::1%eth0"}, "invalid IP"},
		"with a port":  {[]string{"192.0.2.7:80"}, "invalid IP"},
		"with a space": {[]string{" 192.0.2.7"}, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if tc.sent != nil {
				ctx = metadata.NewIncomingContext(ctx, metadata.MD{clientIPKey: tc.sent})
			}
			if got := peerIP(ctx).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// plugin is the plugin under test, over gRPC.
type plugin struct {
	attestor nodeattestorv1.NodeAttestorPluginClient
	config   configv1.ConfigServiceClient
	logs     *logSink
	under    *Plugin
}

func serve(t *testing.T, c *cloud, store *agentStore) *plugin {
	t.Helper()
	a, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := a.WriteCertificates(dir); err != nil {
		t.Fatal(err)
	}
	certificates, err := awsiid.LoadCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	collector, err := awsiid.New(awsiid.Options{Certificates: certificates, Clients: c})
	if err != nil {
		t.Fatal(err)
	}
	kind := Kind{name: "aws_iid", build: func(_ context.Context, text string, _ host) (built, []plugindata.Problem) {
		if text == "problem" {
			return built{}, []plugindata.Problem{testProblem}
		}
		config, problems := buildAWSIID(text, func(string) string { return "" })
		return built{collector: collector, policyConfig: config.policyConfig(), policy: config.Policy, cloudTimeout: time.Minute}, problems
	}}
	return serveKind(t, kind, store)
}

// serveKind serves a plugin of that kind.
func serveKind(t *testing.T, kind Kind, store *agentStore) *plugin {
	t.Helper()
	p := &plugin{logs: &logSink{}, under: New(kind)}
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard})
	logger.RegisterSink(p.logs)
	plugintest.ServeInBackground(t, plugintest.Config{
		PluginServer:       nodeattestorv1.NodeAttestorPluginServer(p.under),
		PluginClient:       &p.attestor,
		ServiceServers:     []pluginsdk.ServiceServer{configv1.ConfigServiceServer(p.under)},
		ServiceClients:     []pluginsdk.ServiceClient{&p.config},
		HostServiceServers: []pluginsdk.ServiceServer{agentstorev1.AgentStoreServiceServer(store)},
		Logger:             logger,
	})
	return p
}

// payload is what an agent sends, after change.
func payload(t *testing.T, change func(map[string]string)) []byte {
	t.Helper()
	a, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	data, err := a.Payload(testauthority.NewDocument("us-west-2").JSON())
	if err != nil {
		t.Fatal(err)
	}
	if change == nil {
		return data
	}
	fields := map[string]string{}
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	change(fields)
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return data
}

// logSink keeps what the plugin logs.
type logSink struct {
	mu      sync.Mutex
	lines   []map[string]any
	arrived chan struct{} // closed at the next line; nil while nobody waits
}

func (s *logSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	line := map[string]any{"level": level, "msg": msg}
	for i := 0; i+1 < len(args); i += 2 {
		line[args[i].(string)] = args[i+1]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	if s.arrived != nil {
		close(s.arrived)
		s.arrived = nil
	}
}

// next waits for a line with that message, and takes it and all before it away.
func (s *logSink) next(t *testing.T, msg string) map[string]any {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		for i, line := range s.lines {
			if line["msg"] == msg {
				s.lines = s.lines[i+1:]
				s.mu.Unlock()
				return line
			}
		}
		if s.arrived == nil {
			s.arrived = make(chan struct{})
		}
		arrived, lines := s.arrived, s.lines
		s.mu.Unlock()
		select {
		case <-arrived:
		case <-late:
			t.Fatalf("no log line %q among %v", msg, lines)
		}
	}
}

func (s *logSink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = nil
}

// only returns the one line that there must be.
func (s *logSink) only(t *testing.T) map[string]any {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) != 1 {
		t.Fatalf("%d log lines, want one: %v", len(s.lines), s.lines)
	}
	return s.lines[0]
}

var testProblem = plugindata.Problem{Line: 3, Key: "partition", Msg: "no such partition"}

func configure(text string) *configv1.ConfigureRequest {
	return &configv1.ConfigureRequest{
		CoreConfiguration: &configv1.CoreConfiguration{TrustDomain: "example.org"},
		HclConfiguration:  text,
	}
}

func (p *plugin) configure(t *testing.T, text string) {
	t.Helper()
	if _, err := p.config.Configure(t.Context(), configure(text)); err != nil {
		t.Fatalf("configure: %v", err)
	}
	p.logs.reset()
}

func (p *plugin) attest(t *testing.T, payload []byte) (*nodeattestorv1.AgentAttributes, error) {
	t.Helper()
	stream, err := p.attestor.Attest(t.Context())
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&nodeattestorv1.AttestRequest{Request: &nodeattestorv1.AttestRequest_Payload{Payload: payload}}); err != nil {
		return nil, err
	}
	resp, err := stream.Recv()
	return resp.GetAgentAttributes(), err
}

// agentStore is SPIRE's record of attested agents.
type agentStore struct {
	agentstorev1.UnimplementedAgentStoreServer
	err error

	mu       sync.Mutex
	attested map[string]bool
}

func (s *agentStore) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attested == nil {
		s.attested = map[string]bool{}
	}
	s.attested[id] = true
}

func (s *agentStore) GetAgentInfo(_ context.Context, req *agentstorev1.GetAgentInfoRequest) (*agentstorev1.GetAgentInfoResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return nil, s.err
	case !s.attested[req.AgentId]:
		return nil, status.Error(codes.NotFound, "agent not found")
	}
	return &agentstorev1.GetAgentInfoResponse{Info: &agentstorev1.AgentInfo{AgentId: req.AgentId}}, nil
}

func newCloud() *cloud {
	return &cloud{instances: []ec2types.Instance{{
		InstanceId: aws.String("i-0b22a22eec53b9321"),
		State:      &ec2types.InstanceState{Name: ec2types.InstanceStateNameRunning},
		Tags:       []ec2types.Tag{{Key: aws.String("Name"), Value: aws.String("blog")}},
	}}}
}

// cloud is EC2 as far as these tests need it. It stands behind the real
// collector, which verifies really signed documents.
type cloud struct {
	awsiid.Clients // nil: nothing but EC2 is asked

	mu        sync.Mutex
	calls     int
	instances []ec2types.Instance
	err       error
	onCall    func()
}

func (c *cloud) EC2(context.Context, awsiid.Scope) (awsiid.EC2, error) { return c, nil }

func (c *cloud) DescribeInstances(_ context.Context, in *ec2.DescribeInstancesInput, _ ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.onCall != nil {
		c.onCall()
	}
	if c.err != nil {
		return nil, c.err
	}
	return &ec2.DescribeInstancesOutput{Reservations: []ec2types.Reservation{{Instances: c.instances}}}, nil
}

// TestOneOfManyAttests: many holders of one document at the same instant, and
// SPIRE that has stored none of them yet.
func TestOneOfManyAttests(t *testing.T) {
	store := &agentStore{}
	c := newCloud()
	p := serve(t, c, store)
	p.configure(t, baseConfig)
	good := payload(t, nil)

	const holders = 50
	errs := make(chan error, holders)
	for range holders {
		go func() {
			_, err := p.attest(t, good)
			errs <- err
		}()
	}
	got := map[codes.Code]int{}
	for range holders {
		got[status.Code(<-errs)]++
	}
	// Until SPIRE has stored the agent, the others are to try again.
	want := map[codes.Code]int{codes.OK: 1, codes.Unavailable: holders - 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	store.add(agentID)
	if _, err := p.attest(t, good); status.Code(err) != codes.PermissionDenied {
		t.Errorf("once SPIRE has stored the agent: %v", err)
	}
}

// TestRefusalFreesTheClaim: what was refused for a passing reason may come again
// at once.
func TestRefusalFreesTheClaim(t *testing.T) {
	store := &agentStore{}
	c := newCloud()
	p := serve(t, c, store)
	p.configure(t, baseConfig)

	c.err = errors.New("throttled")
	if _, err := p.attest(t, payload(t, nil)); status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v", err)
	}
	c.err = nil
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Errorf("again: %v", err)
	}
}
