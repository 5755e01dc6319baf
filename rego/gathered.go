package rego

import (
	"maps"
	"slices"
)

// Why a fact is not there: see input.facts_status.
const (
	notCollected = "not_collected" // nobody asked for it
	notLearned   = "error"         // it could not be learned
	absent       = "absent"        // the cloud knows of none
)

// gathered is an input as the decision would see it after this admission, where its
// facts were gathered for another policy: those that this one doesn't want would not
// be there, nor why they could not be learned. The input that is given is not changed.
func (a Admission) gathered(in Input) Input {
	var unwanted []string
	wanted := func(name string) bool { return slices.Contains(a.Required, name) || slices.Contains(a.Optional, name) }
	for name := range in.Facts {
		if !wanted(name) {
			unwanted = append(unwanted, name)
		}
	}
	for name, status := range in.FactsStatus {
		if status != notCollected && !wanted(name) {
			unwanted = append(unwanted, name)
		}
	}
	if len(unwanted) == 0 {
		return in
	}
	in.Facts, in.FactsStatus = maps.Clone(in.Facts), maps.Clone(in.FactsStatus)
	if in.FactsStatus == nil {
		in.FactsStatus = map[string]string{}
	}
	for _, name := range unwanted {
		delete(in.Facts, name)
		in.FactsStatus[name] = notCollected
	}
	return in
}
