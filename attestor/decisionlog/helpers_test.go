package decisionlog

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// small is a policy that is loaded quickly: it denies everybody.
const small = `# METADATA
# schemas:
#   - input: schema.aws_iid
#   - data.gatehouse.config: schema.aws_iid_config
package gatehouse.aws_iid

decision := {
	"violations": {{"rule": "tofu", "msg": "has attested before"}, {"rule": "owner", "msg": "owner is missing"}},
	"exempt": {"owner"}, "warnings": set(), "can_reattest": false, "agent_path": "/spire/agent/aws_iid/i-1",
	"selectors": {tag | some key, value in input.facts.instance.tags; tag := sprintf("tag:%s:%s", [key, value])},
}

admission := {"violations": set(), "exempt": set(), "facts": {"required": set(), "optional": set()}}
`

// engineWith is a small policy with a package system.log.
func engineWith(t testing.TB, systemLog string) *rego.Engine {
	t.Helper()
	policy := fstest.MapFS{"small.rego": &fstest.MapFile{Data: []byte(small)}}
	if systemLog != "" {
		policy["system/log/log.rego"] = &fstest.MapFile{Data: []byte("package system.log\n\n" + systemLog + "\n")}
	}
	for _, name := range []string{"schemas/aws_iid.json", "schemas/aws_iid_config.json"} {
		schema, err := fs.ReadFile(policies.Baseline(), name)
		if err != nil {
			t.Fatal(err)
		}
		policy[name] = &fstest.MapFile{Data: schema}
	}
	engine, err := rego.New(context.Background(), rego.Options{Plugin: "aws_iid", Policy: policy, Config: map[string]any{"partition": "aws"}})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// denial is an attestation that was denied, with something of everything.
func denial(t testing.TB, engine *rego.Engine, id string) *Event {
	t.Helper()
	if engine == nil {
		engine = engineWith(t, "")
	}
	config, err := NewPolicyConfig(map[string]any{"partition": "aws"})
	if err != nil {
		t.Fatal(err)
	}
	e := &Event{
		DecisionID: id,
		Time:       noon,
		Engine:     engine,
		Config:     config,
		Took:       map[string]time.Duration{"total": 3 * time.Millisecond},
		Outcome: Outcome{
			Outcome: "denied", Error: "tags: owner is missing", Node: "aws/123456789012/i-1", AgentID: "spiffe://example.org/x",
			Calls: []Call{{API: "ec2:DescribeInstances", Elapsed: time.Millisecond, Error: "throttled"}},
		},
	}
	ctx := rego.WithObserver(t.Context(), func(asked rego.Asked) { e.Asked = asked })
	_, err = engine.Decide(ctx, rego.Input{
		Plugin: "aws_iid", TrustDomain: "example.org", Time: noon,
		Evidence: map[string]any{"account_id": "123456789012", "region": "us-west-2", "instance_id": "i-1"},
		Facts: map[string]any{"instance": map[string]any{
			"id": "i-1", "state": "stopped", "tags": map[string]string{"Name": "blog", "cost center/eu": "7"},
			"security_groups": []any{map[string]any{"id": "sg-1"}, map[string]any{"id": "sg-2"}},
		}},
		Tofu: &rego.Tofu{Attested: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// serverLog is what the server's log gets.
type serverLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *serverLog) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

// lines are the lines with that message.
func (s *serverLog) lines(t *testing.T, msg string) []map[string]any {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []map[string]any
	for line := range bytes.Lines(s.buf.Bytes()) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		if fields["@message"] == msg {
			found = append(found, fields)
		}
	}
	return found
}

func newServerLog() (*serverLog, hclog.Logger) {
	s := &serverLog{}
	return s, hclog.New(&hclog.LoggerOptions{Output: s, JSONFormat: true, Level: hclog.Info})
}

var testLabels = map[string]string{"plugin": "aws_iid", "trust_domain": "example.org", "id": "1"}

func start(t *testing.T, config Config) (*Log, *serverLog) {
	t.Helper()
	logged, logger := newServerLog()
	l, err := Start(config, testLabels, logger, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { <-l.Close() })
	return l, logged
}
