package attestor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	testauthority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// The plugin over gRPC, as SPIRE talks to it: the real collector, the baseline
// policy, documents that a test authority really signed. What is verified and
// decided is those packages' own tests' business; here it is the order of the
// steps, and what comes of each.

const agentID = "spiffe://example.org/spire/agent/aws_iid/123456789012/us-west-2/i-0b22a22eec53b9321"

// baseConfig spares these tests block devices and instance profiles, which are
// other tests' business.
const baseConfig = `
	skip_block_device = true
	disable_instance_profile_selectors = true
`

var authority = sync.OnceValues(func() (*testauthority.Authority, error) { return testauthority.New("us-west-2") })

func TestAttest(t *testing.T) {
	good := payload(t, nil)
	for name, tc := range map[string]struct {
		payload  []byte
		cloud    func(*cloud, *agentStore)
		attested string // an agent ID that SPIRE knows
		storeErr error

		code   codes.Code
		class  string // of the refusal
		reason string // in the log, never at the agent
		calls  int    // of EC2
	}{
		"good": {payload: good, calls: 1},
		"empty payload": {
			payload: nil, code: codes.InvalidArgument, class: "bad_evidence", reason: "verify: the payload is empty",
		},
		"document changed after it was signed": {
			payload: []byte(strings.Replace(string(good), "123456789012", "210987654321", 1)),
			code:    codes.InvalidArgument, class: "bad_evidence", reason: "verify: awsiid: rsa2048: what is signed is not the document",
		},
		"denied on signed claims alone": {
			payload: payload(t, func(p map[string]string) { p["rsa2048"] = "" }),
			code:    codes.PermissionDenied, class: "denied",
			reason: "signature_strength: the identity document is signed with rsa1024, not with rsa2048",
		},
		"replay costs no cloud call": {
			payload: good, attested: agentID,
			code: codes.PermissionDenied, class: "denied",
			reason: "tofu: agent /spire/agent/aws_iid/123456789012/us-west-2/i-0b22a22eec53b9321 has attested before; evict it to let the instance attest again",
		},
		"attested by another while facts were gathered": {
			payload: good,
			cloud:   func(c *cloud, s *agentStore) { c.onCall = func() { s.add(agentID) } },
			code:    codes.PermissionDenied, class: "denied",
			reason: "tofu: agent /spire/agent/aws_iid/123456789012/us-west-2/i-0b22a22eec53b9321 has attested before; evict it to let the instance attest again",
			calls:  1,
		},
		"SPIRE's datastore fails while facts are gathered": {
			payload: good,
			cloud: func(c *cloud, s *agentStore) {
				c.onCall = func() { s.fail(status.Error(codes.Internal, "datastore is down")) }
			},
			code: codes.Unavailable, class: "unavailable",
			reason: "first use: tofu: ask SPIRE's agent store for " + agentID + ": rpc error: code = Internal desc = datastore is down",
			calls:  1,
		},
		"SPIRE's datastore does not answer": {
			payload: good, storeErr: status.Error(codes.Internal, "datastore is down"),
			code: codes.Unavailable, class: "unavailable",
			reason: "first use: tofu: ask SPIRE's agent store for " + agentID + ": rpc error: code = Internal desc = datastore is down",
		},
		"a required fact can't be learned": {
			payload: good,
			cloud:   func(c *cloud, _ *agentStore) { c.err = errors.New("throttled") },
			code:    codes.Unavailable, class: "unavailable",
			reason: "gather: fact instance: awsiid: ec2:DescribeInstances of i-0b22a22eec53b9321 in account 123456789012, region us-west-2: throttled",
			calls:  1,
		},
		"the cloud knows no such instance": {
			payload: good,
			cloud:   func(c *cloud, _ *agentStore) { c.instances = nil },
			code:    codes.PermissionDenied, class: "denied",
			reason: "instance_state: instance i-0b22a22eec53b9321 is unknown to EC2, not pending or running; instance_state: the document is of instance i-0b22a22eec53b9321, the facts are of <undefined>",
			calls:  1,
		},
		"policy's answer is out of shape": {
			payload: good,
			cloud:   func(c *cloud, _ *agentStore) { c.instances[0].Tags[0].Value = aws.String(strings.Repeat("x", 256)) },
			code:    codes.Internal, class: "internal",
			calls: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &agentStore{err: tc.storeErr}
			if tc.attested != "" {
				store.add(tc.attested)
			}
			c := newCloud()
			if tc.cloud != nil {
				tc.cloud(c, store)
			}
			p := serve(t, c, store)
			p.configure(t, baseConfig)

			got, err := p.attest(t, tc.payload)
			if status.Code(err) != tc.code {
				t.Fatalf("got code %v (%v), want %v", status.Code(err), err, tc.code)
			}
			if c.calls != tc.calls {
				t.Errorf("%d calls of EC2, want %d", c.calls, tc.calls)
			}
			line := p.logs.only(t)
			if tc.code == codes.OK {
				want := &nodeattestorv1.AgentAttributes{SpiffeId: agentID, SelectorValues: []string{
					"account_id:123456789012", "az:us-west-2b", "image:id:ami-5fb8c835",
					"instance:id:i-0b22a22eec53b9321", "region:us-west-2", "tag:Name:blog",
				}}
				if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			if line["outcome"] != tc.class {
				t.Errorf("logged outcome %v, want %v", line["outcome"], tc.class)
			}
			// After its first line, the reason of a panic has where it was.
			logged, _ := line["reason"].(string)
			if reason, _, _ := strings.Cut(logged, "\n"); tc.reason != "" && reason != tc.reason {
				t.Errorf("logged reason\n%q, want\n%q", reason, tc.reason)
			}
			// The agent may be an attacker: it learns the class, and what to quote.
			public, id, _ := strings.Cut(status.Convert(err).Message(), " (decision ")
			if !slices.ContainsFunc([]class{badEvidence, denied, unavailable, internal},
				func(c class) bool { return c.public == public && c.name == tc.class }) {
				t.Errorf("the agent is told %q", public)
			}
			if strings.TrimSuffix(id, ")") != line["decision_id"] {
				t.Errorf("the agent is told decision %q, the log says %v", id, line["decision_id"])
			}
		})
	}
}

func TestHangingUpHidesNoVerdict(t *testing.T) {
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	verdict := deny([]rego.Violation{{Rule: "tofu", Msg: "has attested before"}})
	for name, tc := range map[string]struct {
		ctx  context.Context
		err  error
		want class
	}{
		"denied, then hung up":       {gone, verdict, denied},
		"forged, then hung up":       {gone, refuse(badEvidence, "forged"), badEvidence},
		"denied, and late":           {late, verdict, denied},
		"hung up while facts came":   {gone, refuse(unavailable, "no answer"), cancelled},
		"hung up while policy ran":   {gone, refuse(internal, "stopped"), cancelled},
		"out of time for facts":      {late, refuse(unavailable, "no answer"), outOfTime},
		"still there":                {t.Context(), refuse(unavailable, "no answer"), unavailable},
		"an error that nobody named": {t.Context(), errors.New("surprise"), internal},
	} {
		t.Run(name, func(t *testing.T) {
			if got := asRefusal(tc.ctx, tc.err).class; got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// TestRefusalFreesTheClaim: what was refused for a passing reason may come again
// at once.
func TestRefusalFreesTheClaim(t *testing.T) {
	store := &agentStore{}
	c := newCloud()
	p := serve(t, c, store)
	p.configure(t, baseConfig)

	c.err = errors.New("throttled")
	if _, err := p.attest(t, payload(t, nil)); status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v", err)
	}
	c.err = nil
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Errorf("again: %v", err)
	}
}
