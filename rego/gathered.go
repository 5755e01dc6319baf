package rego

import (
	"maps"
	"slices"
)

// notCollected is the status of a fact that nobody asked for: see input.facts_status.
const notCollected = "not_collected"

// Gathered is an input as the decision would see it after this admission, where its
// facts were gathered for another policy: those that this one doesn't want would not
// be there. The input that is given is not changed.
func (a Admission) Gathered(in Input) Input {
	cloned := false
	for name := range in.Facts {
		if slices.Contains(a.Required, name) || slices.Contains(a.Optional, name) {
			continue
		}
		if !cloned {
			in.Facts, in.FactsStatus, cloned = maps.Clone(in.Facts), maps.Clone(in.FactsStatus), true
		}
		if in.FactsStatus == nil {
			in.FactsStatus = map[string]string{}
		}
		delete(in.Facts, name)
		in.FactsStatus[name] = notCollected
	}
	return in
}
