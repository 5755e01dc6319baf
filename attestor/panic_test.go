package attestor

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// clumsy is a collector with a bug in one place, which is also its evidence.
type clumsy struct{ bug string }

func (c clumsy) trip(at string) {
	if c.bug == at {
		var nobody *time.Location
		_ = *nobody
	}
}

func (c clumsy) Verify(context.Context, []byte) (evidence.Evidence, error) {
	c.trip("verify")
	return c, nil
}

func (c clumsy) FactNames() []string {
	c.trip("the names of facts")
	return []string{"instance", "instance_profile", "eks", "organization"}
}

func (c clumsy) Claims() any {
	c.trip("claims")
	return map[string]any{"account_id": "123456789012", "region": "us-west-2", "instance_id": "i-0b22a22eec53b9321", "partition": "aws", "signature_kind": "rsa2048"}
}

func (c clumsy) Identity() string {
	c.trip("identity")
	return "aws/123456789012/i-0b22a22eec53b9321"
}

// Gather has its fact gathered by a goroutine of its own, as the real ones do.
func (c clumsy) Gather(_ context.Context, names []string) map[string]evidence.Fact {
	c.trip("gather")
	gathered := make(chan error)
	go func() { gathered <- c.one() }()
	failure := <-gathered
	facts := map[string]evidence.Fact{}
	for _, name := range names {
		facts[name] = evidence.Failed(failure)
	}
	return facts
}

func (c clumsy) one() (err error) {
	defer recovered.To(&err)
	c.trip("a fact's goroutine")
	return nil
}

// TestPanicIsARefusal: wherever one attestation panics, it is answered Internal,
// logged with a stack and counted, and the plugin serves the next one.
func TestPanicIsARefusal(t *testing.T) {
	for n, bug := range []string{"verify", "identity", "claims", "the names of facts", "gather", "a fact's goroutine", "agent path"} {
		t.Run(bug, func(t *testing.T) {
			collector := clumsy{bug}
			kind := Kind{name: "aws_iid", build: func(context.Context, string, host) (built, []plugindata.Problem) {
				config, problems := buildAWSIID(baseConfig, environment(nil))
				return built{collector: collector, policyConfig: config.policyConfig(), cloudTimeout: time.Minute, limits: defaultLimits(),
					agentPath: func(any, map[string]any) (string, error) {
						collector.trip("agent path")
						return "/spire/agent/aws_iid/x", nil
					},
				}, problems
			}}
			p := serveKind(t, kind, &agentStore{})
			p.configure(t, "")
			for count := int64(1); count <= 2; count++ {
				_, err := p.attest(t, []byte("payload"))
				if status.Code(err) != codes.Internal || !strings.HasPrefix(status.Convert(err).Message(), "attestation failed (decision ") {
					t.Fatalf("got %v", err)
				}
				line := p.logs.next(t, "Panic in an attestation: please report it")
				stack, _ := line["stack"].(string)
				if line["panics"] != count || !strings.Contains(stack, "panic_test.go") {
					t.Errorf("case %d: the log has %v", n, line)
				}
				if refused := p.logs.next(t, "Node attestation refused"); refused["outcome"] != "panic" || refused["decision_id"] != line["decision_id"] {
					t.Errorf("the log has %v", refused)
				}
			}
		})
	}
}

// TestPanicInTheTelling: what is around the decision, too, is one node's business.
func TestPanicInTheTelling(t *testing.T) {
	p := serve(t, newCloud(), &agentStore{})
	var broken atomic.Bool
	p.under.now = func() time.Time {
		if broken.Load() {
			panic("no clock")
		}
		return time.Now()
	}
	p.configure(t, baseConfig)
	broken.Store(true)
	if _, err := p.attest(t, payload(t, nil)); status.Code(err) != codes.Internal || !strings.HasPrefix(status.Convert(err).Message(), "attestation failed (decision ") {
		t.Fatalf("got %v", err)
	}
	if line := p.logs.next(t, "Panic in an attestation: please report it"); line["panic"] != "panic: no clock" || line["panics"] != int64(1) {
		t.Errorf("the log has %v", line)
	}
	broken.Store(false)
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Errorf("the next: %v", err)
	}
}

// TestPanicInTheCloudsClient: the same with the real collector, whose facts are
// gathered by goroutines.
func TestPanicInTheCloudsClient(t *testing.T) {
	c := newCloud()
	p := serve(t, c, &agentStore{})
	p.configure(t, baseConfig)
	c.onCall = func() { panic("nil pointer") }
	if _, err := p.attest(t, payload(t, nil)); status.Code(err) != codes.Internal {
		t.Fatalf("got %v", err)
	}
	if line := p.logs.next(t, "Panic in an attestation: please report it"); line["panic"] != "panic: nil pointer" {
		t.Errorf("the log has %v", line)
	}
	c.onCall = nil
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
