// Package evidence says what every kind of attestation evidence has in common.
//
// Each kind lives in a folder of its own below this one and exports a
// Collector. A Collector turns the bytes that an agent sent into Evidence or
// refuses them; Evidence states signed claims and gathers cloud facts about the
// node that it proves. Nothing here or below judges: that is for policy.
//
// Start reading at awsiid.Collector.Verify.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrUnavailable marks an error of Verify that says nothing about the payload:
// something that verification needs (a key set, say) can't be had now. The node
// may try again with the same payload.
var ErrUnavailable = errors.New("unavailable")

// A Collector verifies evidence of one kind. It is safe for concurrent use.
type Collector interface {
	// Verify checks size, structure, signature, issuer and time of what an
	// agent sent. Evidence comes from nowhere else. An error means that the
	// payload is to be refused, unless it wraps ErrUnavailable.
	Verify(ctx context.Context, payload []byte) (Evidence, error)

	// FactNames lists the facts that Gather knows, sorted.
	FactNames() []string
}

// Evidence is the verified content of one payload.
type Evidence interface {
	// Claims returns what the authority signed, and how it was verified: the
	// document that policy sees as input.evidence.
	Claims() any

	// Identity names the machine that the evidence is about in one canonical
	// form that no configuration can change, such as
	// "aws/123456789012/i-0123456789abcdef0". One machine has one identity.
	Identity() string

	// Gather collects the named facts about that machine, and no others. The
	// answer has an entry for each name. It returns when ctx ends at the latest,
	// and never panics on what a cloud answers.
	Gather(ctx context.Context, names []string) map[string]Fact
}

// A Fact is one answer about the attesting machine, or the reason why there is
// none.
type Fact struct {
	// Value is a struct with JSON tags; nil unless Status is Known.
	Value any

	// Status says whether Value is there.
	Status Status

	// Err tells a person why Status is StatusError. It never reaches policy.
	Err error
}

// Status says whether a fact is there, and why not. All but StatusKnown appear
// in input.facts_status.
type Status string

const (
	// StatusKnown: the fact is there.
	StatusKnown Status = "known"

	// StatusAbsent: the cloud was asked, and there is none. That is knowledge,
	// for policy to judge.
	StatusAbsent Status = "absent"

	// StatusError: it could not be learned whether there is one.
	StatusError Status = "error"

	// StatusNotCollected: nobody asked for it.
	StatusNotCollected Status = "not_collected"
)

// Known is a fact that is there.
func Known(value any) Fact { return Fact{Value: value, Status: StatusKnown} }

// Absent is a fact of which the cloud says that there is none.
func Absent() Fact { return Fact{Status: StatusAbsent} }

// Failed is a fact that could not be learned.
func Failed(err error) Fact { return Fact{Status: StatusError, Err: err} }

// BusyError says that too many ask for the same at the moment: the sender may come
// again with the same payload, and had better wait a while.
type BusyError struct {
	What  string        // is asked for
	After time.Duration // to wait
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("too many wait for %s already: try again in %v", e.What, e.After)
}

// Is makes it an ErrUnavailable.
func (e *BusyError) Is(target error) bool { return target == ErrUnavailable }
