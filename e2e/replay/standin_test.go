package replay

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	"github.com/spiffe/spire-plugin-sdk/plugintest"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/replay"
)

// machine is one of a varied fleet.
type machine struct {
	id      string
	payload []byte

	team     bool // it has the tag
	replaced bool // its root volume was
	stopped  bool
	unknown  bool // to EC2
	again    bool // it attests twice
}

// admitted says what the baseline does with it, the first time.
func (m machine) admitted() bool { return !m.replaced && !m.stopped && !m.unknown }

// TestOfStandIns replays what the plugin itself wrote to its decision log, when a
// fleet attested to it over gRPC and it asked the stand-in of AWS about each.
func TestOfStandIns(t *testing.T) {
	dir := t.TempDir()
	cloud, err := stage.NewAWS(t.Context(), dir, "123456789012", "eu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range append(cloud.Env(), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_PROFILE=") {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	fleet := newFleet(t, cloud, 250)
	log := filepath.Join(dir, "decisions.jsonl")
	attempts := attestAll(t, cloud, fleet, log)
	count := func(which func(machine) bool) (n int) {
		for _, m := range fleet {
			if which(m) {
				n++
			}
		}
		return n
	}
	admitted := count(machine.admitted)
	for name, tc := range map[string]struct {
		class replay.ClassName
		nodes int
	}{
		"team_required":         {replay.NewlyDenied, count(func(m machine) bool { return m.admitted() && !m.team })},
		"volumes_trusted":       {replay.NewlyAllowed, count(func(m machine) bool { return m.replaced && !m.stopped && !m.unknown })},
		"shorter_path":          {replay.AgentIDChanged, admitted},
		"other_selectors":       {replay.SelectorsLost, admitted},
		"organization_required": {replay.FactsLacking, len(fleet)},
		"team_selector":         {replay.NoAnswer, count(func(m machine) bool { return m.admitted() && !m.team })},
	} {
		found, err := replay.Logs([]string{log}, nil)
		if err != nil {
			t.Fatal(err)
		}
		report, err := replay.Run(t.Context(), found, replay.Options{Candidate: candidate(t, name)})
		if err != nil {
			t.Fatal(err)
		}
		if report.Log.Replayed != attempts {
			t.Errorf("%s: %d decisions were replayed, want %d", name, report.Log.Replayed, attempts)
		}
		got := 0
		for _, class := range report.Classes {
			if class.Name == tc.class {
				got = class.Nodes
			}
		}
		if got != tc.nodes || tc.nodes == 0 {
			t.Errorf("%s: %d nodes are in the class %s, want %d", name, got, tc.class, tc.nodes)
		}
	}
	found, err := replay.Logs([]string{log}, nil)
	if err != nil {
		t.Fatal(err)
	}
	same, err := replay.Run(t.Context(), found, replay.Options{Candidate: replay.Baseline()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{replay.Safe, attempts, attempts}, []any{same.Verdict, same.Log.Replayed, same.Log.Unchanged}); diff != "" || len(same.Log.Noted) > 0 {
		t.Errorf("the policy that decided (-want +got):\n%s%+v", diff, same.Log)
	}
}

func newFleet(t *testing.T, cloud *stage.AWS, count int) []machine {
	t.Helper()
	fleet := make([]machine, count)
	for i := range fleet {
		m := &fleet[i]
		m.id = fmt.Sprintf("i-%017x", i+1)
		m.team, m.replaced, m.stopped, m.unknown, m.again = i%5 != 0, i%7 == 3, i%11 == 5, i%13 == 6, i%4 == 1
		document := cloud.Document(m.id)
		var err error
		if m.payload, err = cloud.Authority.Payload(document.JSON()); err != nil {
			t.Fatal(err)
		}
		if m.unknown {
			continue
		}
		instance, err := stage.Instance(document)
		if err != nil {
			t.Fatal(err)
		}
		if m.team {
			instance.Tags = append(instance.Tags, aws.Tag{Key: "team", Value: fmt.Sprintf("team-%d", i%3)})
		}
		if m.replaced {
			late := instance.LaunchTime.Add(time.Hour)
			instance.BlockDevices[0].EBS.AttachTime = &late
		}
		if m.stopped {
			instance.State = aws.Stopped()
		}
		cloud.World.PutInstance(document.AccountID, document.Region, instance)
	}
	return fleet
}

// attestAll has each machine attest, some of them twice, and returns how often that
// was once the log has all of it.
func attestAll(t *testing.T, cloud *stage.AWS, fleet []machine, log string) int {
	t.Helper()
	plugin, store := attestor.New(attestor.AWSIID()), &agents{}
	var node nodeattestorv1.NodeAttestorPluginClient
	var config configv1.ConfigServiceClient
	attempts := 0
	// The log is whole when the plugin is closed, which the end of this one waits for.
	if !t.Run("attest", func(t *testing.T) {
		plugintest.ServeInBackground(t, plugintest.Config{
			PluginServer:       nodeattestorv1.NodeAttestorPluginServer(plugin),
			PluginClient:       &node,
			ServiceServers:     []pluginsdk.ServiceServer{configv1.ConfigServiceServer(plugin)},
			ServiceClients:     []pluginsdk.ServiceClient{&config},
			HostServiceServers: []pluginsdk.ServiceServer{agentstorev1.AgentStoreServiceServer(store)},
		})
		if _, err := config.Configure(t.Context(), &configv1.ConfigureRequest{
			CoreConfiguration: &configv1.CoreConfiguration{TrustDomain: "example.org"},
			HclConfiguration:  cloud.PluginData() + fmt.Sprintf("\ndecision_log { file { path = %q } }", log),
		}); err != nil {
			t.Fatal(err)
		}
		for _, m := range fleet {
			id, err := attest(t, node, m.payload)
			attempts++
			if (err == nil) != m.admitted() {
				t.Fatalf("instance %s: %v", m.id, err)
			}
			store.add(id)
			if m.again {
				attempts++
				if _, err := attest(t, node, m.payload); err == nil {
					t.Errorf("instance %s attested twice", m.id)
				}
			}
		}
		if err := plugin.Close(); err != nil {
			t.Fatal(err)
		}
	}) {
		t.FailNow()
	}
	return attempts
}

func attest(t *testing.T, node nodeattestorv1.NodeAttestorPluginClient, payload []byte) (id string, err error) {
	t.Helper()
	stream, err := node.Attest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&nodeattestorv1.AttestRequest{Request: &nodeattestorv1.AttestRequest_Payload{Payload: payload}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	return answer.GetAgentAttributes().GetSpiffeId(), err
}

// agents is SPIRE's record of attested agents.
type agents struct {
	agentstorev1.UnimplementedAgentStoreServer

	mu       sync.Mutex
	attested map[string]bool
}

func (a *agents) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.attested == nil {
		a.attested = map[string]bool{}
	}
	a.attested[id] = true
}

func (a *agents) GetAgentInfo(_ context.Context, req *agentstorev1.GetAgentInfoRequest) (*agentstorev1.GetAgentInfoResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.attested[req.GetAgentId()] {
		return nil, status.Error(codes.NotFound, "no such agent")
	}
	return &agentstorev1.GetAgentInfoResponse{Info: &agentstorev1.AgentInfo{AgentId: req.GetAgentId()}}, nil
}
