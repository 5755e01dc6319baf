package e2e_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

// firstAgent is the agent of the node that boot makes, as the built-in attestor
// would have it.
func firstAgent() spire.Agent {
	return spire.Agent{
		ID:              "spiffe://example.org/spire/agent/aws_iid/" + account + "/" + region + "/" + instanceID,
		AttestationType: "aws_iid",
		Selectors: []string{
			"aws_iid:account_id:" + account,
			"aws_iid:az:" + region + "b",
			"aws_iid:image:id:ami-5fb8c835",
			"aws_iid:instance:id:" + instanceID,
			"aws_iid:region:" + region,
			"aws_iid:sg:id:sg-0a1b2c3d4e5f60718",
			"aws_iid:sg:name:web",
			"aws_iid:tag:Name:web-1",
			"aws_iid:tag:env:prod",
		},
	}
}

func TestAgentAttests(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, err := s.agent(t, s.boot(t, instanceID)).Attested(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := firstAgent()
	if id != want.ID {
		t.Errorf("agent ID: got %s, want %s", id, want.ID)
	}
	if got := s.agents(t); !reflect.DeepEqual(got, []spire.Agent{want}) {
		t.Errorf("agents: got %+v, want %+v", got, want)
	}
	wantCalls := []aws.Call{{Action: "ec2:DescribeInstances", Account: account, Region: region, Caller: "arn:aws:iam::" + account + ":user/" + stage.AccessKeyID}}
	if got := s.API.Calls(); !reflect.DeepEqual(got, wantCalls) {
		t.Errorf("AWS calls: got %+v, want %+v", got, wantCalls)
	}
}

func TestReplayRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	node := s.boot(t, instanceID)
	if _, err := s.agent(t, node).Attested(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.API.Forget()

	told, err := s.agent(t, node).Refusal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.refusedReplay(t, told, instanceID, firstAgent())
	if calls := s.API.Calls(); len(calls) != 0 {
		t.Errorf("the replay cost AWS calls: %+v", calls)
	}
}

func TestRealVector(t *testing.T) {
	t.Parallel()
	s := startReal(t)
	node, err := stage.Serve(t.Context(), realVector(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.agent(t, node).Attested(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []spire.Agent{{
		ID:              "spiffe://example.org/spire/agent/aws_iid/278576220453/us-west-2/i-078517ca8a70a1dde",
		AttestationType: "aws_iid",
		Selectors: []string{
			"aws_iid:account_id:278576220453",
			"aws_iid:az:us-west-2a",
			"aws_iid:image:id:ami-0fa9e1f64142cde17",
			"aws_iid:instance:id:i-078517ca8a70a1dde",
			"aws_iid:region:us-west-2",
			"aws_iid:sg:id:sg-0a1b2c3d4e5f60718",
			"aws_iid:sg:name:web",
			"aws_iid:tag:Name:web-1",
			"aws_iid:tag:env:prod",
		},
	}}
	if got := s.agents(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCloudDownIsUnavailable(t *testing.T) {
	t.Parallel()
	s := start(t, `            cloud_timeout = "8s"`)
	node := s.boot(t, instanceID)
	s.API.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Error: aws.Unavailable()})
	_, err := s.server.Attest(t.Context(), "aws_iid", node.Payload)
	if status.Code(err) != codes.Unavailable {
		t.Errorf("with EC2 down: got %v, want Unavailable", err)
	}
	if entry := s.refusal(t, status.Convert(err).Message()); entry.Field("outcome") != "unavailable" || !strings.Contains(entry.Field("reason"), "fact instance") {
		t.Errorf("the server's log says %v", entry.Fields)
	}
	s.API.Faults.Clear()
	if _, err := s.server.Attest(t.Context(), "aws_iid", node.Payload); err != nil {
		t.Errorf("with EC2 back: %v", err)
	}
}

func TestInstanceStateDecides(t *testing.T) {
	t.Parallel()
	s := start(t)
	document := s.Document(instanceID)
	payload, err := s.Authority.Payload(document.JSON())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		state *aws.State
		want  codes.Code
		rules string
	}{
		{"unknown", nil, codes.PermissionDenied, "[block_device instance_state]"},
		{"stopped", new(aws.Stopped()), codes.PermissionDenied, "[instance_state]"},
		{"terminated", new(aws.Terminated()), codes.PermissionDenied, "[instance_state]"},
		{"running", new(aws.Running()), codes.OK, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.state != nil {
				instance, err := stage.Instance(document)
				if err != nil {
					t.Fatal(err)
				}
				instance.State = *tc.state
				s.World.PutInstance(account, region, instance)
			}
			_, err := s.server.Attest(t.Context(), "aws_iid", payload)
			if status.Code(err) != tc.want {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			if err == nil {
				return
			}
			if entry := s.refusal(t, status.Convert(err).Message()); entry.Field("rules") != tc.rules {
				t.Errorf("the server's log says %v", entry.Fields)
			}
		})
	}
}

func TestWeakSignatureIsForPolicyToRefuse(t *testing.T) {
	t.Parallel()
	s := start(t)
	node := s.boot(t, instanceID)
	var parts vector
	if err := json.Unmarshal(node.Payload, &parts); err != nil {
		t.Fatal(err)
	}
	parts.RSA2048 = ""
	_, err := s.server.Attest(t.Context(), "aws_iid", parts.payload(t))
	if status.Code(err) != codes.PermissionDenied {
		t.Fatalf("with RSA-1024 alone: got %v, want PermissionDenied", err)
	}
	if entry := s.refusal(t, status.Convert(err).Message()); entry.Field("rules") != "[signature_strength]" {
		t.Errorf("the server's log says %v", entry.Fields)
	}
	if _, err := s.server.Attest(t.Context(), "aws_iid", node.Payload); err != nil {
		t.Errorf("with both signatures: %v", err)
	}
}

// TestSecretsAreNotLogged looks for credentials and evidence in all that the
// server and the plugin log, at level debug, about an accept and two refusals.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	s := start(t)
	node := s.boot(t, instanceID)
	var parts vector
	if err := json.Unmarshal(node.Payload, &parts); err != nil {
		t.Fatal(err)
	}
	forged := parts
	forged.RSA2048 = strings.Replace(parts.RSA2048, "A", "B", 1)
	for payload, want := range map[string]codes.Code{string(node.Payload): codes.OK, string(forged.payload(t)): codes.InvalidArgument} {
		if _, err := s.server.Attest(t.Context(), "aws_iid", []byte(payload)); status.Code(err) != want {
			t.Fatalf("got %v, want %s", err, want)
		}
	}
	_, err := s.server.Attest(t.Context(), "aws_iid", node.Payload)
	if status.Code(err) != codes.PermissionDenied {
		t.Fatalf("replay: %v", err)
	}
	s.refusal(t, status.Convert(err).Message()) // until it is logged
	log := strings.Join(s.server.Log.Lines(0), "\n")
	if !strings.Contains(log, "Node attestation refused") {
		t.Fatal("the log lacks what it should have")
	}
	for name, secret := range map[string]string{
		"secret access key": stage.SecretAccessKey,
		"RSA-2048 message":  parts.RSA2048[:60],
		"RSA-1024":          parts.Signature[:60],
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
}
