package attestor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// manual is a shadow policy that is asked when the test says so.
type manual struct {
	*shadow
	told []*decisionlog.Event
}

// withShadow gives a plugin that is configured with config a shadow policy of these files.
func (p *plugin) withShadow(t *testing.T, config string, files map[string]string) *manual {
	t.Helper()
	return p.withShadowWithin(t, testwait.Patience, config, files)
}

// withShadowWithin bounds its evaluations.
func (p *plugin) withShadowWithin(t *testing.T, limit time.Duration, config string, files map[string]string) *manual {
	t.Helper()
	current := *p.under.current.Load()
	loader := policyLoader{plugin: "aws_iid", source: policySource{Directory: string(newPolicyDir(t, files))}, config: policyConfig(t, config), timeout: limit}
	revision, err := loader.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &manual{shadow: p.under.unfedShadow()}
	m.ctx, m.cancel, m.feed = t.Context(), func() {}, fixedPolicy{}
	m.tell = func(e *decisionlog.Event) { m.told = append(m.told, e) }
	m.engine.Store(revision.engine)
	current.shadow = m.shadow
	p.under.current.Store(&current)
	return m
}

func policyConfig(t *testing.T, text string) map[string]any {
	t.Helper()
	config, problems := buildAWSIID(text, func(string) string { return "" })
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return config.policyConfig()
}

const notIsolated = "package gatehouse.aws_iid\n\nexempt contains \"instance_state\"\n"

// forNode is a rule that the node of these tests meets, and not the samples on which
// a policy is tried before it takes over: those have an address, or no instance.
func forNode(head, body string) string {
	return "package gatehouse.aws_iid\n\n" + head + " if {\n\tnot input.peer\n\tinput.facts.instance\n\t" + body + "\n}\n"
}

const loops = "some a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta * b == -1"

// TestShadowDifferences: what a shadow policy would have done is told whole, and
// what is done is what the policy in force says.
func TestShadowDifferences(t *testing.T) {
	stopped := func(c *cloud) {
		c.instances[0].State = &ec2types.InstanceState{Name: ec2types.InstanceStateNameStopped}
	}
	const bare = "agent_path := $\"/spire/agent/aws_iid/bare/{input.evidence.instance_id}\"\n"
	for name, tc := range map[string]struct {
		scene    func(*cloud)
		payload  func(map[string]string)
		attested bool // according to SPIRE
		config   string
		shadow   map[string]string
		within   time.Duration // bounds the shadow policy; enough for any when it is 0
		denied   bool          // by the policy in force
		counted  string
		want     *decisionlog.Shadow // nil if nothing is told
	}{
		"the same policy": {counted: "same"},
		"a selector more": {
			shadow: map[string]string{"own.rego": selecting("own:x")}, counted: "different",
			want: &decisionlog.Shadow{Outcome: "attested", Differences: []string{selectorsGained}, SelectorsGained: []string{"own:x"}},
		},
		"denies": {
			shadow:  map[string]string{"own.rego": forNode(`violation contains {"rule": "no_node", "msg": "no"}`, "true")},
			counted: "different",
			want:    &decisionlog.Shadow{Outcome: "denied", Differences: []string{newlyDenied}, Rules: []string{"no_node"}},
		},
		"allows what is denied": {
			scene: stopped, denied: true, shadow: map[string]string{"own.rego": notIsolated}, counted: "different",
			want: &decisionlog.Shadow{Outcome: "attested", Differences: []string{newlyAllowed}},
		},
		"denies for another reason": {
			scene: stopped, denied: true, counted: "different",
			shadow: map[string]string{"own.rego": notIsolated, "other.rego": forNode(`violation contains {"rule": "no_node", "msg": "no"}`, "true")},
			want:   &decisionlog.Shadow{Outcome: "denied", Differences: []string{deniedOtherwise}, Rules: []string{"no_node"}},
		},
		"admits what is denied at admission": {
			payload: func(p map[string]string) { p["rsa2048"] = "" }, denied: true, counted: "different",
			shadow: map[string]string{"own.rego": "package gatehouse.aws_iid\n\nexempt contains \"signature_strength\"\n"},
			want:   &decisionlog.Shadow{Outcome: "admitted", Differences: []string{newlyAdmitted}},
		},
		"another agent path, and can attest again": {
			shadow: map[string]string{
				"gatehouse/aws_iid/agent_path.rego": "package gatehouse.aws_iid\n\n" + bare,
				"own.rego":                          "package gatehouse.aws_iid\n\ncan_reattest := true\n",
			},
			counted: "different",
			want: &decisionlog.Shadow{
				Outcome: "attested", Differences: []string{otherAgentPath, otherReattest},
				AgentPath: "/spire/agent/aws_iid/bare/i-0b22a22eec53b9321",
			},
		},
		"a fact that nobody gathered": {
			shadow: map[string]string{"own.rego": "package gatehouse.aws_iid\n\nrequired_fact contains \"instance_profile\"\n"}, counted: "undecided",
			want: &decisionlog.Shadow{Outcome: "undecided", FactsMissing: []string{"instance_profile"}},
		},
		"a fact that nobody gathered, and that it can do without": {
			shadow: map[string]string{"own.rego": "package gatehouse.aws_iid\n\noptional_fact contains \"organization\"\n"}, counted: "undecided",
			want: &decisionlog.Shadow{Outcome: "undecided", FactsMissing: []string{"organization"}},
		},
		"different even without a fact that nobody gathered": {
			shadow:  map[string]string{"own.rego": selecting("own:x") + "\noptional_fact contains \"organization\"\n"},
			counted: "different",
			want: &decisionlog.Shadow{
				Outcome: "attested", Differences: []string{selectorsGained}, SelectorsGained: []string{"own:x"}, FactsMissing: []string{"organization"},
			},
		},
		"a fact that it doesn't ask for": {
			shadow:  map[string]string{"gatehouse/aws_iid/instance_state.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"instance_state\", \"msg\": input.facts_status.instance} if not input.facts.instance\n"},
			counted: "different",
			want:    &decisionlog.Shadow{Outcome: "denied", Differences: []string{newlyDenied}, Rules: []string{"instance_state"}},
		},
		"denies at admission, when there are no facts": {
			shadow:  map[string]string{"own.rego": "package gatehouse.aws_iid\n\nadmission_violation contains {\"rule\": \"no_facts\", \"msg\": \"no\"} if {\n\tnot input.peer\n\tnot input.facts.instance\n}\n"},
			counted: "different",
			want:    &decisionlog.Shadow{Outcome: "denied", Differences: []string{newlyDenied}, Rules: []string{"no_facts"}},
		},
		"denies at admission, when first use is not known": {
			shadow:  map[string]string{"own.rego": "package gatehouse.aws_iid\n\nadmission_violation contains {\"rule\": \"no_tofu\", \"msg\": \"no\"} if not input.tofu.attested == false\n"},
			counted: "different",
			want:    &decisionlog.Shadow{Outcome: "denied", Differences: []string{newlyDenied}, Rules: []string{"no_tofu"}},
		},
		"another agent path of an agent that has attested": {
			attested: true, denied: true,
			shadow:  map[string]string{"gatehouse/aws_iid/agent_path.rego": "package gatehouse.aws_iid\n\n" + bare},
			counted: "different",
			want: &decisionlog.Shadow{
				Outcome: "admitted", Differences: []string{newlyAdmitted, otherAgentPath},
				AgentPath: "/spire/agent/aws_iid/bare/i-0b22a22eec53b9321",
			},
		},
		"a path of tags without the fact that has them": {
			config:  `agent_path_template = "/{{ .PluginName }}/{{ .Tags.Name }}/{{ .InstanceID }}"`,
			shadow:  map[string]string{"gatehouse/aws_iid/instance_state.rego": "package gatehouse.aws_iid\n"},
			counted: "failed",
			want:    &decisionlog.Shadow{Outcome: "failed", Error: "gives no agent_path, even with all the facts that it asked for"},
		},
		"a fact that there is not": {
			shadow:  map[string]string{"own.rego": "package gatehouse.aws_iid\n\noptional_fact contains \"instnace\" if input.evidence.instance_id == \"i-0b22a22eec53b9321\"\n"},
			counted: "failed",
			want:    &decisionlog.Shadow{Outcome: "failed", Error: `asks for fact "instnace"`},
		},
		"loops": {
			shadow: map[string]string{"own.rego": forNode(`selector contains "x"`, loops)}, within: tooLong, counted: "failed",
			want: &decisionlog.Shadow{Outcome: "failed", Error: "rego: gatehouse.aws_iid.decision: not answered within 3s: context deadline exceeded"},
		},
		"errors": {
			shadow: map[string]string{"own.rego": forNode(`selector contains "x"`, "to_number(input.plugin) == 1")}, counted: "failed",
			want: &decisionlog.Shadow{Outcome: "failed", Error: "to_number"},
		},
		"answers out of shape": {
			shadow: map[string]string{"own.rego": forNode(`selector contains ""`, "true")}, counted: "failed",
			want: &decisionlog.Shadow{Outcome: "failed", Error: "selectors"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			if tc.scene != nil {
				tc.scene(c)
			}
			store := &agentStore{}
			if tc.attested {
				store.add(agentID)
			}
			p := serve(t, c, store)
			p.configure(t, baseConfig+tc.config)
			limit := testwait.Patience
			if tc.within > 0 {
				limit = tc.within
			}
			m := p.withShadowWithin(t, limit, baseConfig+tc.config, tc.shadow)
			got, err := p.attest(t, payload(t, tc.payload))
			if tc.denied != (err != nil) {
				t.Fatalf("attest: %v", err)
			}
			if err == nil && (got.SpiffeId != agentID && tc.config == "" || got.CanReattest || strings.Contains(fmt.Sprint(got.SelectorValues), "own:")) {
				t.Errorf("the node got what the policy in force doesn't give: %v", got)
			}
			decided := <-m.queue
			calls := c.calls
			if ok := m.ask(decided); ok != (tc.counted != "failed") {
				t.Errorf("asking was ok: %v", ok)
			}
			if c.calls != calls {
				t.Errorf("the cloud was called %d times for the shadow policy", c.calls-calls)
			}
			figures := p.figures(t)
			if figures["shadow_decisions{result="+tc.counted+"}"] != 1 {
				t.Errorf("counted %v", figures)
			}
			if tc.want == nil {
				if len(m.told) > 0 {
					t.Errorf("told of %+v", m.told[0].Outcome.Shadow)
				}
				return
			}
			for _, difference := range tc.want.Differences {
				if figures["shadow_differences{difference="+difference+"}"] != 1 {
					t.Errorf("%s is not counted: %v", difference, figures)
				}
			}
			if len(m.told) != 1 {
				t.Fatalf("told %d times", len(m.told))
			}
			told := m.told[0]
			if told.DecisionID != decided.event.DecisionID || told.Outcome.Outcome != decided.event.Outcome.Outcome || told.Engine != decided.event.Engine {
				t.Errorf("told of another decision: %+v", told)
			}
			result := *told.Outcome.Shadow
			if strings.Contains(result.Error, tc.want.Error) && tc.want.Error != "" {
				result.Error = tc.want.Error
			}
			tc.want.Revision = m.engine.Load().Revision()
			if diff := cmp.Diff(*tc.want, result); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// Nobody judged these: there is nothing to compare with.
func TestShadowOfNoJudgement(t *testing.T) {
	for name, tc := range map[string]struct {
		config  string
		payload []byte
		scene   func(*cloud)
	}{
		"bad evidence":        {payload: []byte("{")},
		"no fact":             {payload: payload(t, nil), scene: func(c *cloud) { c.err = errors.New("down") }},
		"the path's template": {payload: payload(t, nil), config: `agent_path_template = "/aws_iid/{{ .Tags.No }}/{{ .InstanceID }}"`},
		"out of shape":        {payload: payload(t, nil), scene: func(c *cloud) { *c.instances[0].Tags[0].Value = strings.Repeat("x", 256) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			if tc.scene != nil {
				tc.scene(c)
			}
			p := serve(t, c, &agentStore{})
			p.configure(t, baseConfig+tc.config)
			m := p.withShadow(t, baseConfig, nil)
			if _, err := p.attest(t, tc.payload); err == nil {
				t.Fatal("the node was let in")
			}
			if n := len(m.queue); n != 0 {
				t.Errorf("%d decisions wait for the shadow policy", n)
			}
		})
	}
}

// TestShadowDelaysNobody: while the shadow policy is stuck nodes attest, as many as
// have room wait for it, and others are counted.
func TestShadowDelaysNobody(t *testing.T) {
	p := serve(t, newCloud(), &agentStore{})
	dir := newPolicyDir(t, nil)
	p.configure(t, dir.config())
	m := p.withShadow(t, baseConfig, nil) // nobody takes from its queue
	const more = 3
	for range maxShadowWaiting + more {
		if _, err := p.attest(t, payload(t, nil)); err != nil {
			t.Fatal(err)
		}
	}
	figures := p.figures(t)
	if len(m.queue) != maxShadowWaiting || figures["shadow_decisions{result=dropped}"] != more || figures["attestations{outcome=attested}"] != maxShadowWaiting+more {
		t.Errorf("%d wait; %v", len(m.queue), figures)
	}
}

// A bug in the engine takes down neither the plugin nor the shadow.
func TestShadowPanic(t *testing.T) {
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, baseConfig)
	m := p.withShadow(t, baseConfig, map[string]string{"own.rego": selecting("own:x")})
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Fatal(err)
	}
	c := <-m.queue
	m.tell = func(*decisionlog.Event) { panic("a bug") }
	if m.ask(c) {
		t.Error("a panic is no failure")
	}
	if got := p.figures(t)["panics{where=shadow}"]; got != 1 {
		t.Errorf("%v panics counted", got)
	}
}

// slowPolicy is a feed that takes so long to stop, for what it loads.
type slowPolicy struct {
	fixedPolicy
	takes time.Duration
}

func (p slowPolicy) stop() (wait func()) { return func() { time.Sleep(p.takes) } }

// TestShadowThatCantBeStopped: who ends a shadow policy waits for what is being loaded,
// and for its evaluation, but not for ever.
func TestShadowThatCantBeStopped(t *testing.T) {
	for _, tc := range []struct{ loading, evaluation time.Duration }{
		{0, shadowEndTime - time.Millisecond}, {shadowEndTime - time.Millisecond, time.Second},
		{0, shadowEndTime + time.Millisecond}, {time.Hour, 0}, {0, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := New(AWSIID()).unfedShadow()
			s.ctx, s.cancel = context.WithCancel(t.Context())
			s.feed, s.ended = slowPolicy{takes: tc.loading}, make(chan struct{})
			began := time.Now()
			go func() {
				time.Sleep(tc.evaluation)
				close(s.ended)
			}()
			s.stop()()
			if waited, want := time.Since(began), min(max(tc.loading, tc.evaluation), shadowEndTime); waited != want {
				t.Errorf("for %+v it was waited %v, want %v", tc, waited, want)
			}
			time.Sleep(2 * time.Hour)
		})
	}
}
