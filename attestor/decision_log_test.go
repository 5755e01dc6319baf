package attestor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// logged is a decision log in a file.
type logged struct {
	path string
}

func newLogged(t *testing.T) logged {
	return logged{filepath.Join(t.TempDir(), "decisions.jsonl")}
}

func (l logged) config() string { return fmt.Sprintf("decision_log { file { path = %q } }\n", l.path) }

// decisions are what is in the file once the plugin has ended.
func (l logged) decisions(t *testing.T, p *plugin) []*decisionlog.Decision {
	t.Helper()
	if err := p.under.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader := decisionlog.NewReader(f)
	var all []*decisionlog.Decision
	for {
		d, err := reader.Next()
		if errors.Is(err, io.EOF) && reader.Torn() == 0 {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
}

// payload is what the last line of the file says of what came from the node.
func (l logged) payload(t *testing.T) decisionlog.Payload {
	t.Helper()
	lines := l.lines(t)
	var event struct {
		Custom struct {
			Gatehouse decisionlog.Outcome `json:"gatehouse"`
		} `json:"custom"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &event); err != nil || event.Custom.Gatehouse.Payload == nil {
		t.Fatalf("the last line says nothing of it: %v", err)
	}
	return *event.Custom.Gatehouse.Payload
}

func (l logged) lines(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// replay takes a decision again, with the policy of dir over the baseline and all
// else from the log, and wants the same answer.
func (l logged) replay(t *testing.T, d *decisionlog.Decision, dir string) {
	t.Helper()
	loader := policyLoader{plugin: d.Plugin, source: policySource{Directory: dir}, config: d.Config}
	revision, err := loader.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Revisions["gatehouse"]; got != revision.engine.Revision() {
		t.Errorf("the log has revision %s, but its configuration and the policy make %s", got, revision.engine.Revision())
	}
	in, err := rego.InputOf(d.Input)
	if err != nil {
		t.Fatal(err)
	}
	var asked rego.Asked
	ctx := rego.WithObserver(t.Context(), func(a rego.Asked) { asked = a })
	if d.Question == "decision" {
		_, err = revision.engine.Decide(ctx, in)
	} else {
		_, err = revision.engine.Admit(ctx, in)
	}
	if err != nil && d.Outcome.Outcome != "internal" {
		t.Fatal(err)
	}
	var line struct{ Input, Result json.RawMessage }
	if err := json.Unmarshal([]byte(l.lines(t)[d.Line-1]), &line); err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string]struct {
		logged json.RawMessage
		again  func() (any, error)
	}{"input": {line.Input, asked.Input}, "result": {line.Result, asked.Answer}} {
		value, err := pair.again()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != string(pair.logged) {
			t.Errorf("the %s in the log is\n%s\nand again\n%s", what, pair.logged, text)
		}
	}
}

// checkIDs wants the decision's ID in the server's log and in what the agent is
// told.
func checkIDs(t *testing.T, d *decisionlog.Decision, line map[string]any, agent error) {
	t.Helper()
	if line["decision_id"] != d.DecisionID {
		t.Errorf("decision %s is %v in the server's log", d.DecisionID, line["decision_id"])
	}
	if agent != nil && !strings.HasSuffix(status.Convert(agent).Message(), "(decision "+d.DecisionID+")") {
		t.Errorf("of decision %s the agent is told %v", d.DecisionID, agent)
	}
}

// TestDecisionLog attests in all the ways that there are, and takes each decision
// again from what the log has of it.
func TestDecisionLog(t *testing.T) {
	good := payload(t, nil)
	stopped := func(c *cloud, _ *agentStore) {
		c.instances[0].State = &ec2types.InstanceState{Name: ec2types.InstanceStateNameStopped}
	}
	type fired = []rego.Fired
	exempt := rego.Fired{Rule: "block_device", Effect: "exempt"}
	for name, tc := range map[string]struct {
		config  string
		files   map[string]string // of the policy directory
		scene   func(*cloud, *agentStore)
		payload []byte
		again   bool // look at a second attestation, right after

		question string
		outcome  string
		rules    fired
		noResult bool
	}{
		"attested": {payload: good, question: "decision", outcome: "attested", rules: fired{exempt}},
		"attested by a path with tags": {
			config: `agent_path_template = "/aws_iid/{{ .Tags.Name }}/{{ .InstanceID }}"`, payload: good,
			question: "decision", outcome: "attested", rules: fired{exempt},
		},
		"attested by a policy of one's own": {
			files:   map[string]string{"own.rego": selecting("own:x")},
			payload: good, question: "decision", outcome: "attested", rules: fired{exempt},
		},
		"denied at admission": {
			payload:  payload(t, func(p map[string]string) { p["rsa2048"] = "" }),
			question: "admission", outcome: "denied",
			rules: fired{{Rule: "signature_strength", Effect: "denied"}},
		},
		"denied as a replay": {
			scene: func(_ *cloud, s *agentStore) { s.add(agentID) }, payload: good,
			question: "admission", outcome: "denied", rules: fired{{Rule: "tofu", Effect: "denied"}},
		},
		"denied at the decision": {
			scene: stopped, payload: good, question: "decision", outcome: "denied",
			rules: fired{exempt, {Rule: "instance_state", Effect: "denied"}},
		},
		"warned": {
			config: `enforcement { instance_state = "warn" }`, scene: stopped, payload: good,
			question: "decision", outcome: "attested", rules: fired{exempt, {Rule: "instance_state", Effect: "warned"}},
		},
		"off": {
			config: `enforcement { instance_state = "off" }`, scene: stopped, payload: good,
			question: "decision", outcome: "attested", rules: fired{exempt, {Rule: "instance_state", Effect: "off"}},
		},
		"denied for now": {
			payload: good, again: true, question: "admission", outcome: "denied_for_now",
			rules: fired{{Rule: "tofu", Effect: "denied"}},
		},
		"denied by the path's template": {
			config:  `agent_path_template = "/aws_iid/{{ .Tags.Name }}/{{ .InstanceID }}"`,
			scene:   func(c *cloud, _ *agentStore) { c.instances[0].Tags = nil },
			payload: good, question: "admission", outcome: "denied", noResult: true,
			rules: fired{{Rule: "agent_path_template", Effect: "denied"}},
		},
		"a fact that can't be learned": {
			scene: func(c *cloud, _ *agentStore) { c.err = errors.New("throttled") }, payload: good,
			question: "admission", outcome: "unavailable",
		},
		"an answer out of shape": {
			scene:   func(c *cloud, _ *agentStore) { c.instances[0].Tags[0].Value = aws.String(strings.Repeat("x", 256)) },
			payload: good, question: "decision", outcome: "internal", rules: fired{exempt},
		},
		"bad evidence": {
			payload:  []byte(strings.Replace(string(good), "123456789012", "210987654321", 1)),
			question: "verify", outcome: "bad_evidence",
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, c, log := &agentStore{}, newCloud(), newLogged(t)
			if tc.scene != nil {
				tc.scene(c, store)
			}
			p := serve(t, c, store)
			config, dir := baseConfig, ""
			if tc.files != nil {
				policy := newPolicyDir(t, tc.files)
				config, dir = policy.config(), string(policy)
			}
			p.configure(t, config+tc.config+"\n"+log.config())
			_, err := p.attest(t, tc.payload)
			if tc.again {
				p.logs.reset()
				_, err = p.attest(t, tc.payload)
			}
			line := p.logs.only(t)
			decisions := log.decisions(t, p)
			d := decisions[len(decisions)-1]

			checkIDs(t, d, line, err)
			if d.Plugin != "aws_iid" || d.Question != tc.question || d.Outcome.Outcome != tc.outcome || d.Taken != nil {
				t.Errorf("got plugin %s, question %s, outcome %s, taken %v; want question %s, outcome %s", d.Plugin, d.Question, d.Outcome.Outcome, d.Taken, tc.question, tc.outcome)
			}
			if diff := cmp.Diff(tc.rules, d.Outcome.Rules); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			reason, _ := line["reason"].(string)
			if d.Outcome.Error != reason {
				t.Errorf("the error is %q, in the server's log %q", d.Outcome.Error, reason)
			}
			switch {
			case tc.question == "verify":
				if !d.Input.IsNull() || d.Result != nil || d.Outcome.Node != "" || log.payload(t) != *decisionlog.PayloadOf(tc.payload) {
					t.Errorf("of evidence that is not verified there is input %v, result %v, %+v", d.Input, d.Result, d.Outcome)
				}
			case tc.noResult:
				if d.Input.IsNull() || d.Result != nil {
					t.Errorf("got input %v, result %v; want an input alone", d.Input, d.Result)
				}
			default:
				log.replay(t, d, dir)
			}
		})
	}
}

// TestDecisionLogOfAzure does some of it for the other plugin.
func TestDecisionLogOfAzure(t *testing.T) {
	for name, tc := range map[string]struct {
		scene    func(*azureScene)
		question string
		outcome  string
	}{
		"attested":            {question: "decision", outcome: "attested"},
		"denied as a replay":  {scene: func(s *azureScene) { s.store.add(azureAgentID) }, question: "admission", outcome: "denied"},
		"a cloud that's down": {scene: func(s *azureScene) { s.manager.status = 403 }, question: "admission", outcome: "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := newAzureScene(t), newLogged(t)
			if tc.scene != nil {
				tc.scene(s)
			}
			s.configure(t, azureConfig+"\n"+log.config())
			_, err := s.attest(t, azurePayload(t, s.vm().Sign()))
			line := s.logs.next(t, map[bool]string{true: "Node attested", false: "Node attestation refused"}[err == nil])
			decisions := log.decisions(t, s.plugin)
			if len(decisions) != 1 {
				t.Fatalf("%d decisions, want one", len(decisions))
			}
			d := decisions[0]
			checkIDs(t, d, line, err)
			if d.Plugin != "azure_msi" || d.Question != tc.question || d.Outcome.Outcome != tc.outcome {
				t.Errorf("got plugin %s, question %s, outcome %s (%s); want question %s, outcome %s", d.Plugin, d.Question, d.Outcome.Outcome, d.Outcome.Error, tc.question, tc.outcome)
			}
			log.replay(t, d, "")
		})
	}
}

// TestDecisionLogAcrossReloads: each decision has the revision that decided it, and
// the configuration that it was made with, whatever was changed in between.
func TestDecisionLogAcrossReloads(t *testing.T) {
	log, dir := newLogged(t), newPolicyDir(t, map[string]string{"own.rego": selecting("own:1")})
	p := serve(t, newCloud(), &agentStore{})
	var want []string
	attest := func(config string) {
		t.Helper()
		if config != "" {
			p.configure(t, config)
		}
		p.own(t)
		want = append(want, p.under.current.Load().engine.Revision())
	}
	attest(dir.config() + log.config())
	dir.write(t, "own.rego", selecting("own:2"))
	p.logs.next(t, policyTookOver)
	attest("")
	attest(dir.config() + `enforcement { partition = "warn" }` + "\n" + log.config())

	decisions := log.decisions(t, p)
	var got []string
	for _, d := range decisions {
		got = append(got, d.Revisions["gatehouse"])
	}
	if !slices.Equal(got, want) || want[0] == want[1] || want[1] == want[2] {
		t.Errorf("revisions in the log\n%v, in force were\n%v", got, want)
	}
	first, last := decisions[0], decisions[len(decisions)-1]
	if first.ConfigDigest == last.ConfigDigest || first.ConfigDigest != decisions[1].ConfigDigest || last.Config["enforcement"].(map[string]any)["partition"] != "warn" {
		t.Errorf("configurations %s, %s and %s", first.ConfigDigest, decisions[1].ConfigDigest, last.ConfigDigest)
	}
	log.replay(t, last, string(dir))
}

// TestDecisionLogOfBundles: a decision names each bundle's revision, beside that of
// the whole policy.
func TestDecisionLogOfBundles(t *testing.T) {
	log, b := newLogged(t), newBundled(t)
	b.publish(t, "r1", map[string]string{"own.rego": selecting("own:1")})
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, b.config()+log.config())
	p.own(t)
	b.publish(t, "r2", map[string]string{"own.rego": selecting("own:2")})
	p.logs.next(t, policyTookOver)
	p.own(t)

	var got []string
	for _, d := range log.decisions(t, p) {
		names := slices.Sorted(maps.Keys(d.Revisions))
		got = append(got, fmt.Sprintf("%v %s %d", names, d.Revisions["policy"], len(d.Revisions["gatehouse"])))
	}
	if want := []string{"[gatehouse policy] r1 64", "[gatehouse policy] r2 64"}; !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}
