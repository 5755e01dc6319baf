package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// decisionLines waits until a decision log has that many lines and returns them.
func decisionLines(t *testing.T, path string, n int) []string {
	t.Helper()
	var lines []string
	testwait.Until(t, func() string {
		text, err := os.ReadFile(path)
		lines = strings.Split(strings.TrimSpace(string(text)), "\n")
		if err == nil && len(lines) >= n && strings.HasSuffix(string(text), "\n") {
			return ""
		}
		return fmt.Sprintf("%d lines, want %d: %v\n%s", len(lines), n, err, text)
	})
	return lines
}

// volatile is what is different in each run: IDs, digests and times.
var volatile = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)

// steadyLine is a line with … for what is different in each run or build, and 1 for
// each timer that ran and each call that was made.
func steadyLine(t *testing.T, text string) map[string]any {
	t.Helper()
	var line map[string]any
	if err := json.Unmarshal([]byte(volatile.ReplaceAllString(text, "…")), &line); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	labels := line["labels"].(map[string]any)
	for _, key := range []string{"gatehouse", "version"} {
		if labels[key] != "" {
			labels[key] = "…"
		}
	}
	timers, _ := line["metrics"].(map[string]any)
	for name, took := range timers {
		if took, ok := took.(float64); ok && took > 0 {
			timers[name] = 1
		}
	}
	outcome := line["custom"].(map[string]any)["gatehouse"].(map[string]any)
	calls, _ := outcome["calls"].([]any)
	for _, call := range calls {
		if call := call.(map[string]any); call["elapsed_ns"].(float64) > 0 {
			call["elapsed_ns"] = 1
		}
	}
	return line
}

func decisionID(t *testing.T, line string) string {
	t.Helper()
	var fields struct {
		DecisionID string `json:"decision_id"`
	}
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatal(err)
	}
	return fields.DecisionID
}

type object = map[string]any

// acceptedLine is the line of firstAgent.
func acceptedLine() map[string]any {
	const at = "…"
	return object{
		"labels":      object{"gatehouse": at, "id": at, "plugin": "aws_iid", "trust_domain": "example.org", "version": at},
		"decision_id": at,
		"bundles":     object{"gatehouse": object{"revision": at}},
		"path":        "gatehouse/aws_iid/decision",
		"input": object{
			"plugin": "aws_iid", "trust_domain": "example.org", "time": at, "peer": object{"ip": "127.0.0.1"},
			"evidence": object{
				"account_id": account, "architecture": "x86_64", "availability_zone": "eu-central-1b", "certificate_sha256": at,
				"document_sha256": at, "image_id": "ami-5fb8c835", "instance_id": instanceID, "instance_type": "t3.micro", "partition": "aws",
				"pending_time": at, "private_ip": "10.158.112.84", "region": region, "signature_kind": "rsa2048", "version": "2017-09-30",
			},
			"facts": object{"instance": object{
				"id": instanceID, "state": "running", "launch_time": at, "owner_id": account, "image_id": "ami-5fb8c835", "instance_type": "t3.micro",
				"architecture": "x86_64", "availability_zone": "eu-central-1b", "private_ip": "10.158.112.84",
				"vpc_id": "vpc-0a1b2c3d4e5f60718", "subnet_id": "subnet-0a1b2c3d4e5f60718",
				"tags":             object{"Name": "web-1", "env": "prod"},
				"security_groups":  []any{object{"id": "sg-0a1b2c3d4e5f60718", "name": "web"}},
				"metadata_options": object{"http_endpoint": "enabled", "http_put_response_hop_limit": 1.0, "http_tokens": "required", "state": "applied"},
				"network_interfaces": []any{object{
					"id": "eni-0a1b2c3d4e5f60718", "device_index": 0.0, "attach_time": at, "private_ips": []any{"10.158.112.84"}, "status": "in-use",
				}},
				"root_device_name": "/dev/xvda", "root_device_type": "ebs",
				"block_devices": []any{object{
					"device_name": "/dev/xvda", "volume_id": "vol-0a1b2c3d4e5f60718", "attach_time": at, "status": "attached", "delete_on_termination": true,
				}},
			}},
			"facts_status": object{"eks": "not_collected", "instance_profile": "absent", "organization": "not_collected"},
			"tofu":         object{"attested": false, "claimed": false},
		},
		"result": object{
			"agent_path": "/spire/agent/aws_iid/" + account + "/" + region + "/" + instanceID, "can_reattest": false,
			"exempt": []any{}, "violations": []any{}, "warnings": []any{},
			"selectors": []any{
				"account_id:" + account, "az:eu-central-1b", "image:id:ami-5fb8c835", "instance:id:" + instanceID, "region:" + region,
				"sg:id:sg-0a1b2c3d4e5f60718", "sg:name:web", "tag:Name:web-1", "tag:env:prod",
			},
		},
		"requested_by": "127.0.0.1",
		"timestamp":    at,
		"metrics": object{
			"timer_verify_ns": 1, "timer_admit_ns": 1, "timer_gather_ns": 1, "timer_first_use_ns": 1, "timer_decide_ns": 1, "timer_total_ns": 1,
		},
		"custom": object{"gatehouse": object{
			"outcome": "attested", "config": at, "node": "aws/" + account + "/" + instanceID, "agent_id": firstAgent().ID,
			"calls":   []any{object{"api": "ec2:DescribeInstances", "elapsed_ns": 1}},
			"lookups": []any{object{"cache": "instance", "result": "miss", "count": 1.0}},
		}},
	}
}

// TestDecisionLog: the server's plugin writes a line of an agent that it lets in,
// and one of its replay. Each has the ID that the server's log has, and that the
// agent is told.
func TestDecisionLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	s := start(t, fmt.Sprintf("            decision_log {\n                console = true\n                file { path = %q }\n            }", path))
	node := s.boot(t, instanceID)
	if _, err := s.agent(t, node).Attested(t.Context()); err != nil {
		t.Fatal(err)
	}
	told, err := s.agent(t, node).Refusal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refused := s.refusal(t, told)

	lines := decisionLines(t, path, 3)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if len(lines) != 3 || !strings.Contains(lines[0], `"path":"gatehouse/config"`) {
		t.Fatalf("got %d lines, want the configuration and two decisions:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	if diff := cmp.Diff(acceptedLine(), steadyLine(t, lines[1])); diff != "" {
		t.Errorf("the line of the agent (-want +got):\n%s", diff)
	}
	accepted := s.logged(t, 0, "Node attested")
	if got := decisionID(t, lines[1]); got != accepted.Field("decision_id") {
		t.Errorf("decision %s is %s in the server's log", got, accepted.Field("decision_id"))
	}
	replayed := decisionID(t, lines[2])
	if replayed != refused.Field("decision_id") || !strings.Contains(told, replayed) {
		t.Errorf("decision %s is %s in the server's log, and the agent is told %q", replayed, refused.Field("decision_id"), told)
	}
	want := object{
		"outcome": "denied", "config": "…", "node": "aws/" + account + "/" + instanceID, "agent_id": firstAgent().ID,
		"rules": []any{object{"rule": "tofu", "effect": "denied"}},
		"error": refused.Field("reason"),
	}
	replay := steadyLine(t, lines[2])
	if diff := cmp.Diff(want, replay["custom"].(object)["gatehouse"]); diff != "" || replay["path"] != "gatehouse/aws_iid/admission" {
		t.Errorf("the line of the replay has path %v (-want +got):\n%s", replay["path"], diff)
	}

	// By way of the plugin's standard error, the server's log has the same.
	for _, line := range lines {
		ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
		if _, err := s.server.Log.Wait(ctx, 0, func(e process.Entry) bool { return e.Message == "Decision" && e.Field("event") == line }); err != nil {
			t.Errorf("the server's log has no such line: %s", line)
		}
		cancel()
	}
}
