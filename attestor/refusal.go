package attestor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/rego"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A refusal ends an attestation without letting anybody in. Its reason is for
// the server's operator; the agent, who may be an attacker, gets the general
// text of the refusal's class and a decision ID to quote.
type refusal struct {
	class   class
	reason  error
	denials []rego.Violation // set when policy denied
}

func (r *refusal) Error() string { return r.reason.Error() }
func (r *refusal) Unwrap() error { return r.reason }

// class is why nobody was let in, as far as an agent may know.
type class struct {
	name   string
	code   codes.Code
	public string
}

// The classes, and with them every gRPC code that Attest answers.
var (
	badEvidence   = class{"bad_evidence", codes.InvalidArgument, "attestation evidence refused"}
	denied        = class{"denied", codes.PermissionDenied, "attestation denied by policy"}
	unavailable   = class{"unavailable", codes.Unavailable, "attestation can't be decided now, try again"}
	notConfigured = class{"not_configured", codes.FailedPrecondition, "attestor not configured"}
	internal      = class{"internal", codes.Internal, "attestation failed"}
	cancelled     = class{"cancelled", codes.Canceled, "attestation cancelled"}
	outOfTime     = class{"deadline", codes.DeadlineExceeded, "attestation took too long"}
)

func refuse(c class, format string, args ...any) *refusal {
	return &refusal{class: c, reason: fmt.Errorf(format, args...)}
}

// deny is policy's refusal.
func deny(violations []rego.Violation) *refusal {
	reasons := make([]string, 0, len(violations))
	for _, v := range violations {
		reasons = append(reasons, v.Rule+": "+v.Msg)
	}
	return &refusal{class: denied, reason: errors.New(strings.Join(reasons, "; ")), denials: violations}
}

// rules names the rules that denied, sorted and each once.
func (r *refusal) rules() []string {
	var names []string
	for _, v := range r.denials {
		names = append(names, v.Rule)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// asRefusal makes a refusal of any error. An agent that hung up, or whose time
// is over, is told so whatever failed because of it.
func asRefusal(ctx context.Context, err error) *refusal {
	switch ctx.Err() {
	case context.Canceled:
		return refuse(cancelled, "the agent's call was cancelled: %w", err)
	case context.DeadlineExceeded:
		return refuse(outOfTime, "the agent's call ran out of time: %w", err)
	}
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	return refuse(internal, "%w", err)
}

// status is what the agent gets to see.
func (r *refusal) status(decisionID string) error {
	return status.Errorf(r.class.code, "%s (decision %s)", r.class.public, decisionID)
}
