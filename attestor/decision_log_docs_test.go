package attestor

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/evidence"
)

// steady replaces what is different each time in a line of a decision log.
func steady(t *testing.T, text string) map[string]any {
	t.Helper()
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatal(err)
	}
	var replace func(key string, value any) any
	replace = func(key string, value any) any {
		switch value := value.(type) {
		case map[string]any:
			for k, v := range value {
				value[k] = replace(k, v)
			}
		case string:
			switch key {
			case "id", "decision_id", "gatehouse", "version", "revision", "time", "timestamp", "certificate_sha256", "config":
				if value != "" && !strings.HasPrefix(value, "i-") {
					return "…"
				}
			}
		case float64:
			if strings.HasPrefix(key, "timer_") && value > 0 {
				return "…"
			}
		}
		return value
	}
	replace("", line)
	return line
}

// TestDecisionLogPage holds docs/decision_log.md and what the plugin writes
// together.
func TestDecisionLogPage(t *testing.T) {
	page := blocks(t, "decision_log.md")
	t.Run("configuration", func(t *testing.T) {
		if page["decision_log {"] == "" {
			t.Fatal("the page has none")
		}
		text, err := os.ReadFile("../docs/decision_log.md")
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(text), "\n    decision_log {\n")[1:] {
			block, _, _ = strings.Cut(block, "\n    }\n")
			if _, problems := decodedLog("decision_log {\n" + block + "\n}"); len(problems) > 0 {
				t.Errorf("block %d: %v", i, problems)
			}
		}
	})
	t.Run("line", func(t *testing.T) {
		want := steady(t, page["{"])
		outcome := want["custom"].(map[string]any)["gatehouse"].(map[string]any)
		calls, lookups := outcome["calls"], outcome["lookups"]
		delete(outcome, "calls")
		delete(outcome, "lookups")

		c, log := newCloud(), newLogged(t)
		c.instances[0].State = &ec2types.InstanceState{Name: ec2types.InstanceStateNameStopped}
		p := serve(t, c, &agentStore{})
		p.configure(t, baseConfig+log.config())
		p.attest(t, payload(t, nil))
		if err := p.under.Close(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(log.path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		got := steady(t, lines[len(lines)-1])
		written := got["custom"].(map[string]any)["gatehouse"].(map[string]any)
		delete(written, "calls")
		delete(written, "lookups")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-page +written):\n%s", diff)
		}

		heard := listener{}
		heard.Called(evidence.Call{API: "ec2:DescribeInstances", Elapsed: 40 * time.Millisecond, Throttled: 1})
		heard.Looked(evidence.Lookup{Cache: "instance", Result: evidence.LookupMiss})
		var o decisionlog.Outcome
		heard.report(&o)
		var plain map[string]any
		encoded, err := json.Marshal(o)
		if err := errors.Join(err, json.Unmarshal(encoded, &plain)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{calls, lookups}, []any{plain["calls"], plain["lookups"]}); diff != "" {
			t.Errorf("calls and lookups (-page +written):\n%s", diff)
		}
	})
	t.Run("masks", func(t *testing.T) {
		policy := page["package system.log"]
		if formatted, err := format.Source("", []byte(policy)); err != nil || string(formatted) != policy {
			t.Errorf("opa fmt would write (%v)\n%s", err, formatted)
		}
		dir, log := newPolicyDir(t, map[string]string{"log.rego": policy}), newLogged(t)
		c := newCloud()
		key, value := "owner", "alice"
		c.instances[0].Tags = append(c.instances[0].Tags, ec2types.Tag{Key: &key, Value: &value})
		p := serve(t, c, &agentStore{})
		p.configure(t, dir.config()+log.config())
		p.attest(t, payload(t, nil))
		p.attest(t, []byte("no evidence"))
		decisions := log.decisions(t, p)
		if len(decisions) != 1 || len(decisions[0].Taken) == 0 {
			t.Fatalf("got %d decisions, want one that is altered", len(decisions))
		}
		text, err := os.ReadFile(log.path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), value) || !strings.Contains(string(text), "tag:Name:blog") {
			t.Errorf("the owner is there, or too little is:\n%s", text)
		}
	})
}

// TestDecisionLogFields: the page's table has the fields of custom.gatehouse, and no others.
func TestDecisionLogFields(t *testing.T) {
	page, err := os.ReadFile("../docs/decision_log.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{"shadow": true} // is told of in a chapter of its own
	for _, row := range regexp.MustCompile("(?m)^\\| ((?:`(?:custom\\.gatehouse|…)\\.[a-z_]+`(?:, )?)+) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, name := range strings.Split(row[1], ", ") {
			got[strings.Trim(name[strings.LastIndex(name, ".")+1:], "`")] = true
		}
	}
	want := map[string]bool{}
	for field := range reflect.TypeFor[decisionlog.Outcome]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		want[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +page):\n%s", diff)
	}
}

// TestListener: what an attestation hears of its calls is bounded.
func TestListener(t *testing.T) {
	var heard listener
	for range maxLoggedCalls + 5 {
		heard.Called(evidence.Call{API: "a", Elapsed: time.Second, Err: errors.New(strings.Repeat("é", maxLoggedError))})
	}
	for range 3 {
		heard.Looked(evidence.Lookup{Cache: "b", Result: evidence.LookupHit, Age: time.Second})
	}
	heard.Looked(evidence.Lookup{Cache: "b", Result: evidence.LookupHit, Age: time.Minute})
	heard.Looked(evidence.Lookup{Cache: "b", Result: evidence.LookupFailed})
	heard.Looked(evidence.Lookup{Cache: "a", Result: evidence.LookupHit})
	var got decisionlog.Outcome
	heard.report(&got)
	call := decisionlog.Call{API: "a", Elapsed: time.Second, Error: strings.Repeat("é", maxLoggedError/2) + "… (cut)"}
	if len(got.Calls) != maxLoggedCalls || got.Calls[0] != call || got.CallsOmitted != 5 {
		t.Errorf("%d calls, %d omitted, the first %+v", len(got.Calls), got.CallsOmitted, got.Calls[0])
	}
	want := []decisionlog.Lookup{
		{Cache: "a", Result: "hit", Count: 1},
		{Cache: "b", Result: "failed", Count: 1},
		{Cache: "b", Result: "hit", Count: 4, Age: time.Minute},
	}
	if diff := cmp.Diff(want, got.Lookups); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
