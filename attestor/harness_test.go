package attestor

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	"github.com/spiffe/spire-plugin-sdk/plugintest"
	metricsv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/common/metrics/v1"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	testauthority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// plugin is the plugin under test, over gRPC.
type plugin struct {
	attestor nodeattestorv1.NodeAttestorPluginClient
	config   configv1.ConfigServiceClient
	logs     *logSink
	metrics  *metricsService
	under    *Plugin
}

func serve(t *testing.T, c *cloud, store *agentStore) *plugin {
	t.Helper()
	return serveKind(t, awsOf(t, c), store)
}

// awsOf is aws_iid with a cloud in memory, and the test authority's certificates.
func awsOf(t *testing.T, c *cloud) Kind {
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
	kind := AWSIID()
	kind.build = func(_ context.Context, text string, _ host) (built, []plugindata.Problem) {
		if text == "problem" {
			return built{}, []plugindata.Problem{testProblem}
		}
		config, problems := buildAWSIID(text, func(string) string { return "" })
		b := built{collector: collector, policyConfig: config.policyConfig(), policy: config.Policy, shadow: config.Shadow, decisionLog: config.DecisionLog, claims: config.Claims, limits: config.Limits, cloudTimeout: time.Minute, policyTimeout: testwait.Patience}
		template, _ := config.pathTemplate()
		b.renderAWS(template)
		return b, problems
	}
	return kind
}

// within bounds an evaluation of policy, which otherwise has the time that it takes on a
// machine that is busy with other things: for policies that take too long.
func within(limit time.Duration, kind Kind) Kind {
	build := kind.build
	kind.build = func(ctx context.Context, text string, h host) (built, []plugindata.Problem) {
		b, problems := build(ctx, text, h)
		b.policyTimeout = limit
		return b, problems
	}
	return kind
}

// tooLong bounds the evaluations of policies that take too long, beside those of others
// that must not.
const tooLong = 3 * time.Second

// serveKind serves a plugin of that kind.
func serveKind(t *testing.T, kind Kind, store *agentStore) *plugin {
	t.Helper()
	p := &plugin{logs: &logSink{}, metrics: newMetricsService(), under: New(kind)}
	plugintest.ServeInBackground(t, plugintest.Config{
		PluginServer:       nodeattestorv1.NodeAttestorPluginServer(p.under),
		PluginClient:       &p.attestor,
		ServiceServers:     []pluginsdk.ServiceServer{configv1.ConfigServiceServer(p.under)},
		ServiceClients:     []pluginsdk.ServiceClient{&p.config},
		HostServiceServers: []pluginsdk.ServiceServer{agentstorev1.AgentStoreServiceServer(store), metricsv1.MetricsServiceServer(p.metrics)},
		Logger:             p.logs.logger(),
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
	return p.attestFor(t.Context(), payload)
}

// attestFor attests for an agent that hangs up when ctx ends.
func (p *plugin) attestFor(ctx context.Context, payload []byte) (*nodeattestorv1.AgentAttributes, error) {
	stream, err := p.attestor.Attest(ctx)
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

func (s *agentStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *agentStore) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.attested, id)
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
	instances := c.instances
	if len(instances) > 1 { // a fleet; one alone is answered whoever was asked for
		asked := slices.Clone(in.InstanceIds)
		for _, filter := range in.Filters {
			asked = append(asked, filter.Values...)
		}
		instances = slices.DeleteFunc(slices.Clone(instances), func(i ec2types.Instance) bool { return !slices.Contains(asked, *i.InstanceId) })
	}
	return &ec2.DescribeInstancesOutput{Reservations: []ec2types.Reservation{{Instances: instances}}}, nil
}
