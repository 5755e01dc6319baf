package attestor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	"github.com/spiffe/spire-plugin-sdk/plugintest"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"

	"github.com/spire-gatehouse/gatehouse/attestor/telemetry"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// withoutCloud leaves out what the collectors report, which is others' business.
func withoutCloud(figures map[string]float64) map[string]float64 {
	maps.DeleteFunc(figures, func(name string, _ float64) bool {
		return strings.HasPrefix(name, "cloud_") || strings.HasPrefix(name, "cache_")
	})
	return figures
}

// TestMetrics attests in several ways, and looks at all that SPIRE is told.
func TestMetrics(t *testing.T) {
	good := payload(t, nil)
	steps := func(names ...string) map[string]float64 {
		all := map[string]float64{"configurations{result=accepted}": 1}
		for _, name := range append(names, "total") {
			all["step_elapsed_time{step="+name+"}"] = 1
		}
		return all
	}
	whole := []string{"verify", "admit", "gather", "first_use", "decide"}
	for name, tc := range map[string]struct {
		config  string
		before  bool // the agent has attested
		payload []byte
		steps   map[string]float64
		want    map[string]float64
	}{
		"attested": {payload: good, steps: steps(whole...), want: map[string]float64{
			"attestations{outcome=attested}":         1,
			"rules{rule=block_device,effect=exempt}": 1,
			"claims{result=taken}":                   1,
			"claims{result=kept}":                    1,
		}},
		"a replay": {payload: good, before: true, steps: steps("verify", "admit", "first_use"), want: map[string]float64{
			"attestations{outcome=denied}":   1,
			"rules{rule=tofu,effect=denied}": 1,
			"claims{result=taken}":           1,
		}},
		"warned": {
			payload: good, config: `enforcement { tofu = "warn" }`, before: true,
			steps: steps(whole...), want: map[string]float64{
				"attestations{outcome=attested}":         1,
				"rules{rule=tofu,effect=warned}":         1,
				"rules{rule=block_device,effect=exempt}": 1,
				"claims{result=taken}":                   1,
				"claims{result=kept}":                    1,
			},
		},
		"the path's template": {
			payload: good, config: `agent_path_template = "/aws_iid/{{ .Tags.No }}/{{ .InstanceID }}"`,
			steps: steps("verify", "admit", "gather"), want: map[string]float64{
				"attestations{outcome=denied}":                  1,
				"rules{rule=agent_path_template,effect=denied}": 1,
			},
		},
		"nothing that verifies": {payload: []byte("{"), steps: steps("verify"), want: map[string]float64{
			"attestations{outcome=bad_evidence}": 1,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			store := &agentStore{}
			if tc.before {
				store.add(agentID)
			}
			p := serve(t, newCloud(), store)
			p.configure(t, baseConfig+tc.config)
			revision := p.under.current.Load().engine.Revision()[:12]
			if _, err := p.attest(t, tc.payload); (err == nil) != (tc.want["attestations{outcome=attested}"] == 1) {
				t.Fatalf("attest: %v", err)
			}
			want := maps.Clone(tc.steps)
			maps.Copy(want, tc.want)
			want["policy_info{policy=enforcing,revision="+revision+"}"] = 1
			if diff := cmp.Diff(want, withoutCloud(p.figures(t))); diff != "" {
				t.Errorf("SPIRE was told (-want +got):\n%s", diff)
			}
		})
	}
}

// A second attestation of a node under way is refused its claim.
func TestMetricsOfARefusedClaim(t *testing.T) {
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, baseConfig)
	for range 2 {
		_, _ = p.attest(t, payload(t, nil))
	}
	got := p.figures(t)
	if got["claims{result=refused}"] != 1 || got["attestations{outcome=denied_for_now}"] != 1 {
		t.Errorf("got %v", got)
	}
}

// A rule whose name only an evaluation brings out may be made of what a node says.
func TestMetricsBoundRules(t *testing.T) {
	dir := newPolicyDir(t, map[string]string{"own.rego": `package gatehouse.aws_iid

admission_violation contains {"rule": name, "msg": "no"} if name := lower(concat("_", ["no", input.evidence.region]))

warning contains {"rule": "our_own", "msg": "well"}
`})
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, dir.config())
	if _, err := p.attest(t, payload(t, nil)); err == nil {
		t.Fatal("the node was let in")
	}
	rules := p.figures(t)
	maps.DeleteFunc(rules, func(name string, _ float64) bool { return !strings.HasPrefix(name, "rules{") })
	if diff := cmp.Diff(map[string]float64{"rules{rule=other,effect=denied}": 1}, rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// What a collector reports is counted even when the attestation is over: others
// wait for a call too.
func TestMetricsOfTheCloud(t *testing.T) {
	p := serve(t, newCloud(), &agentStore{})
	rec := newRecord(time.Now, nil, p.under.meter)
	obs := evidence.ObserverOf(rec.observe(context.Background()))
	obs.Called(evidence.Call{API: "ec2:DescribeInstances", Elapsed: time.Second, Throttled: 3})
	rec.event(nil)
	obs.Called(evidence.Call{API: "ec2:DescribeInstances", Elapsed: time.Second, Err: errors.New("down")})
	obs.Looked(evidence.Lookup{Cache: "instance_profile", Result: evidence.LookupMiss})
	obs.Looked(evidence.Lookup{Cache: "instance_profile", Result: evidence.LookupHit, Age: time.Minute})
	want := map[string]float64{
		"cloud_calls{api=ec2:DescribeInstances,result=ok}":    1,
		"cloud_calls{api=ec2:DescribeInstances,result=error}": 1,
		"cloud_throttles{api=ec2:DescribeInstances}":          3,
		"cloud_call_elapsed_time{api=ec2:DescribeInstances}":  2,
		"cache_lookups{cache=instance_profile,result=miss}":   1,
		"cache_lookups{cache=instance_profile,result=hit}":    1,
		"cache_answer_age{cache=instance_profile}":            1,
	}
	if diff := cmp.Diff(want, p.figures(t)); diff != "" {
		t.Errorf("SPIRE was told (-want +got):\n%s", diff)
	}
}

// Policies and configurations that come and go.
func TestMetricsOfReloads(t *testing.T) {
	dir := newPolicyDir(t, map[string]string{"own.rego": selecting("own:a")})
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, dir.config())
	first := p.under.current.Load().engine.Revision()[:12]
	dir.write(t, "own.rego", "package gatehouse.aws_iid\n\nselector contains 7\n")
	p.logs.next(t, policyRefused)
	dir.write(t, "own.rego", selecting("own:b"))
	p.logs.next(t, policyTookOver)
	second := p.under.current.Load().engine.Revision()[:12]
	if _, err := p.config.Configure(t.Context(), configure("problem")); err == nil {
		t.Error("a bad configuration was accepted")
	}
	got := p.figures(t)
	want := map[string]float64{
		"configurations{result=accepted}":                       1,
		"configurations{result=refused}":                        1,
		"policy_changes{policy=enforcing,result=refused}":       1,
		"policy_changes{policy=enforcing,result=took_over}":     1,
		"policy_info{policy=enforcing,revision=" + second + "}": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SPIRE was told (-want +got):\n%s", diff)
	}
	p.metrics.mu.Lock()
	defer p.metrics.mu.Unlock()
	if was, told := p.metrics.figures["policy_info{policy=enforcing,revision="+first+"}"]; !told || was != 0 {
		t.Errorf("the first revision is %v, told %v; want 0", was, told)
	}
	if age, told := p.metrics.figures["policy_age{policy=enforcing}"]; !told || age <= 0 || age > 60 {
		t.Errorf("the age is %v, told %v", age, told)
	}
}

// Each outcome has a series of its own.
func TestMetricsOfOutcomes(t *testing.T) {
	known := telemetry.Attestations.Labels[0].Values
	for _, c := range []class{badEvidence, denied, deniedForNow, unavailable, notConfigured, internal, panicked, cancelled, outOfTime} {
		if !slices.Contains(known, c.name) {
			t.Errorf("%s is not counted", c.name)
		}
	}
}

// A panic is counted.
func TestMetricsOfAPanic(t *testing.T) {
	p := serve(t, newCloud(), &agentStore{})
	s := &snapshot{collector: clumsy{bug: "verify"}, engine: new(rego.Engine)}
	rec := newRecord(time.Now, s, p.under.meter)
	err := attestSafely(t.Context(), s, rec, []byte("payload"))
	p.under.notePanic(rec, err)
	p.under.tell(rec, asRefusal(t.Context(), err))
	if got := p.figures(t); got["panics{where=attestation}"] != 1 || got["attestations{outcome=panic}"] != 1 {
		t.Errorf("got %v", got)
	}
}

// TestWithoutMetrics: a SPIRE that has no such service has its nodes attested all
// the same.
func TestWithoutMetrics(t *testing.T) {
	p := serve(t, newCloud(), &agentStore{})
	kind := p.under.kind
	under, logs := New(kind), &logSink{}
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: hclog.DefaultOutput, Level: hclog.Off})
	logger.RegisterSink(logs)
	alone := &plugin{logs: logs, under: under}
	plugintest.ServeInBackground(t, plugintest.Config{
		PluginServer:       nodeattestorv1.NodeAttestorPluginServer(under),
		PluginClient:       &alone.attestor,
		ServiceServers:     []pluginsdk.ServiceServer{configv1.ConfigServiceServer(under)},
		ServiceClients:     []pluginsdk.ServiceClient{&alone.config},
		HostServiceServers: []pluginsdk.ServiceServer{agentstorev1.AgentStoreServiceServer(&agentStore{})},
		Logger:             logger,
	})
	alone.configure(t, baseConfig)
	if _, err := alone.attest(t, payload(t, nil)); err != nil {
		t.Errorf("attest: %v", err)
	}
	if under.meter.Recorder != nil {
		t.Error("there is a recorder, for nobody")
	}
}
