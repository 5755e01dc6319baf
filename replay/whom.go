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
	for _, d := range dimensions {
		value := in.Evidence
		for _, name := range d.path {
			object, _ := value.(map[string]any)
			value = object[name]
		}
		if text, ok := value.(string); ok {
			places = append(places, place{d.name, text})
		}
	}
	return places
}

// fields are the texts in the evidence and the values of the tags, by name: what
// agent paths are made of.
func fields(in rego.Input) map[string]string {
	found := map[string]string{}
	evidence, _ := in.Evidence.(map[string]any)
	for name, value := range evidence {
		if text, ok := value.(string); ok {
			found[name] = text
		}
	}
	for _, fact := range slices.Sorted(maps.Keys(in.Facts)) {
		object, _ := in.Facts[fact].(map[string]any)
		tags, _ := object["tags"].(map[string]any)
		for key, value := range tags {
			if text, ok := value.(string); ok {
				found["tag "+key] = text
			}
		}
	}
	return found
}
