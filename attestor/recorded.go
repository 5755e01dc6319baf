package attestor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// readAs reads JSON as a T, and nothing that a T does not have.
func readAs[T any](text []byte) (any, error) {
	var value T
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return value, nil
}

// factNames lists the facts of a kind.
func (k Kind) factNames() []string { return slices.Sorted(maps.Keys(k.facts)) }

// readFacts reads facts by name, null for one of which the cloud says that there
// is none.
func (k Kind) readFacts(texts map[string]json.RawMessage) (map[string]evidence.Fact, error) {
	facts := make(map[string]evidence.Fact, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		read, known := k.facts[name]
		if !known {
			return nil, fmt.Errorf("fact %q: %s has %s", name, k.name, strings.Join(k.factNames(), ", "))
		}
		if string(bytes.TrimSpace(texts[name])) == "null" {
			facts[name] = evidence.Absent()
			continue
		}
		value, err := read(texts[name])
		if err != nil {
			return nil, fmt.Errorf("fact %s: %w", name, err)
		}
		facts[name] = evidence.Known(value)
	}
	return facts, nil
}

// givenFacts is a collector that verifies, and then has facts from elsewhere.
type givenFacts struct {
	evidence.Collector
	facts map[string]evidence.Fact
}

// Verify implements evidence.Collector.
func (g givenFacts) Verify(ctx context.Context, payload []byte) (evidence.Evidence, error) {
	ev, err := g.Collector.Verify(ctx, payload)
	if err != nil {
		return nil, err
	}
	return withFacts{ev, g.facts}, nil
}

// withFacts is evidence with facts from elsewhere.
type withFacts struct {
	evidence.Evidence
	facts map[string]evidence.Fact
}

// Gather implements evidence.Evidence.
func (w withFacts) Gather(_ context.Context, names []string) map[string]evidence.Fact {
	facts := make(map[string]evidence.Fact, len(names))
	for _, name := range names {
		fact, given := w.facts[name]
		if !given {
			fact = evidence.Failed(errors.New("it is not given"))
		}
		facts[name] = fact
	}
	return facts
}

// recording is a collector whose evidence was verified when it was recorded: what
// it is given is not looked at.
type recording struct {
	kind   Kind
	claims any
	facts  map[string]evidence.Fact
}

// newRecording reads claims and facts of a recorded input. Facts that were not
// known then are as unknown now.
func newRecording(kind Kind, in rego.Input) (*recording, error) {
	text, err := json.Marshal(in.Evidence)
	if err != nil {
		return nil, err
	}
	claims, err := kind.claims(text)
	if err != nil {
		return nil, fmt.Errorf("input.evidence: %w", err)
	}
	texts := map[string]json.RawMessage{}
	for name, fact := range in.Facts {
		if texts[name], err = json.Marshal(fact); err != nil {
			return nil, err
		}
	}
	facts, err := kind.readFacts(texts)
	if err != nil {
		return nil, fmt.Errorf("input.facts: %w", err)
	}
	for name, why := range in.FactsStatus {
		switch status := evidence.Status(why); status {
		case evidence.StatusAbsent:
			facts[name] = evidence.Absent()
		case evidence.StatusError:
			facts[name] = evidence.Failed(errors.New("it could not be learned when the input was recorded"))
		case evidence.StatusNotCollected:
			facts[name] = evidence.Failed(errors.New("it was not asked for when the input was recorded"))
		default:
			return nil, fmt.Errorf("input.facts_status.%s: %q is none of %s, %s and %s", name, why,
				evidence.StatusAbsent, evidence.StatusError, evidence.StatusNotCollected)
		}
	}
	return &recording{kind, claims, facts}, nil
}

// FactNames implements evidence.Collector.
func (r *recording) FactNames() []string { return r.kind.factNames() }

// Verify implements evidence.Collector.
func (r *recording) Verify(context.Context, []byte) (evidence.Evidence, error) {
	return withFacts{recordedEvidence{r.claims}, r.facts}, nil
}

// recordedEvidence has claims, and that is all.
type recordedEvidence struct{ claims any }

// Claims implements evidence.Evidence.
func (r recordedEvidence) Claims() any { return r.claims }

// recordedIdentity stands for a machine whose name is not recorded.
const recordedIdentity = "recorded"

// Identity implements evidence.Evidence.
func (recordedEvidence) Identity() string { return recordedIdentity }

// Gather implements evidence.Evidence.
func (recordedEvidence) Gather(context.Context, []string) map[string]evidence.Fact { return nil }
