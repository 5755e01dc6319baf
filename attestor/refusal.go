package attestor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
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

	// after is how long to wait before trying again; zero if nobody knows.
	after time.Duration
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
	deniedForNow  = class{"denied_for_now", codes.Unavailable, "attestation denied for now, try again"}
	unavailable   = class{"unavailable", codes.Unavailable, "attestation can't be decided now, try again"}
	notConfigured = class{"not_configured", codes.FailedPrecondition, "attestor not configured"}
	internal      = class{"internal", codes.Internal, "attestation failed"}
	panicked      = class{"panic", codes.Internal, "attestation failed"}
	cancelled     = class{"cancelled", codes.Canceled, "attestation cancelled"}
	outOfTime     = class{"deadline", codes.DeadlineExceeded, "attestation took too long"}
)

func refuse(c class, format string, args ...any) *refusal {
	return &refusal{class: c, reason: fmt.Errorf(format, args...)}
}

// deny is policy's refusal. SPIRE's agent takes PermissionDenied as final, and
// tries again on any other code: a denial is final unless all of its reasons pass
// by themselves.
func deny(violations []rego.Violation) *refusal {
	c := deniedForNow
	if slices.ContainsFunc(violations, func(v rego.Violation) bool { return !v.Transient }) {
		c = denied
	}
	return &refusal{class: c, reason: errors.New(reasons(violations)), denials: violations}
}

// reasons is what violations say, in one line.
func reasons(violations []rego.Violation) string {
	texts := make([]string, 0, len(violations))
	for _, v := range violations {
		texts = append(texts, v.Rule+": "+v.Msg)
	}
	return strings.Join(texts, "; ")
}

// rules names the rules that denied, sorted and each once.
func (r *refusal) rules() []string { return rego.RuleNames(r.denials) }

// waitAsTold takes over how long the sources of an error want to be left alone.
func (r *refusal) waitAsTold(errs ...error) *refusal {
	for _, err := range errs {
		var busy *evidence.BusyError
		if errors.As(err, &busy) {
			r.after = max(r.after, busy.After)
		}
	}
	return r
}

// asRefusal makes a refusal of any error. What failed after an agent hung up, or
// its time was over, failed because of that; a verdict stays one: who is denied
// must not be able to hide it by hanging up.
func asRefusal(ctx context.Context, err error) *refusal {
	var p *recovered.Panic
	if errors.As(err, &p) {
		return refuse(panicked, "%w", err)
	}
	var r *refusal
	isRefusal := errors.As(err, &r)
	if isRefusal && (r.class == denied || r.class == deniedForNow || r.class == badEvidence) {
		return r
	}
	switch ctx.Err() {
	case context.Canceled:
		return refuse(cancelled, "the agent's call was cancelled: %w", err)
	case context.DeadlineExceeded:
		return refuse(outOfTime, "the agent's call ran out of time: %w", err)
	}
	if isRefusal {
		return r
	}
	return refuse(internal, "%w", err)
}

// status is what the agent gets to see.
func (r *refusal) status(decisionID string) error {
	public := r.class.public
	if r.after > 0 {
		public += " in " + r.after.String()
	}
	return status.Errorf(r.class.code, "%s (decision %s)", public, decisionID)
}
