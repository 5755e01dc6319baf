package replay

import (
	"maps"
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// dimensions say where in the evidence is whom a decision is about.
var dimensions = []struct {
	name string
	path []string // below input.evidence
}{
	{"account", []string{"account_id"}},
	{"region", []string{"region"}},
	{"tenant", []string{"tenant_id"}},
	{"subscription", []string{"machine", "subscription_id"}},
}

// whom says whom a decision is about.
func whom(in rego.Input) []place {
	places := []place{{"plugin", in.Plugin}}
	evidence, _ := in.Evidence.(rego.Value)
	for _, d := range dimensions {
		if text, ok := evidence.Member(d.path...).Text(); ok {
			places = append(places, place{d.name, text})
		}
	}
	return places
}

// fields are the texts in the evidence and the values of the tags, by name: what
// agent paths are made of.
func fields(in rego.Input) map[string]string {
	found := map[string]string{}
	evidence, _ := in.Evidence.(rego.Value)
	for name, value := range evidence.Members() {
		if text, ok := value.Text(); ok {
			found[name] = text
		}
	}
	for _, fact := range slices.Sorted(maps.Keys(in.Facts)) {
		known, _ := in.Facts[fact].(rego.Value)
		for key, value := range known.Member("tags").Members() {
			if text, ok := value.Text(); ok {
				found["tag "+key] = text
			}
		}
	}
	return found
}
