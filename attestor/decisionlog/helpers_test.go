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

// engineWith is the baseline of aws_iid with a package system.log.
func engineWith(t testing.TB, systemLog string) *rego.Engine {
	t.Helper()
	all := fstest.MapFS{}
	err := fs.WalkDir(policies.Baseline(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(policies.Baseline(), name)
		all[name] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if systemLog != "" {
		all["system/log/log.rego"] = &fstest.MapFile{Data: []byte("package system.log\n\n" + systemLog + "\n")}
	}
	engine, err := rego.New(context.Background(), rego.Options{Plugin: "aws_iid", Policy: all, Config: map[string]any{"partition": "aws"}})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

var baseline = sync.OnceValues(func() (*rego.Engine, error) {
	return rego.New(context.Background(), rego.Options{Plugin: "aws_iid", Policy: policies.Baseline(), Config: map[string]any{"partition": "aws"}})
})

// denial is an attestation that was denied, with something of everything.
func denial(t testing.TB, engine *rego.Engine, id string) *Event {
	t.Helper()
	if engine == nil {
		var err error
		if engine, err = baseline(); err != nil {
			t.Fatal(err)
		}
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
