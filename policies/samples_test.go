package policies_test

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	"github.com/spire-gatehouse/gatehouse/policies"
)

// The samples are what collectors could have stated.
func TestSamplesFollowSchemas(t *testing.T) {
	for _, plugin := range []string{"aws_iid", "azure_msi"} {
		samples, err := policies.Samples(plugin)
		if err != nil {
			t.Fatal(err)
		}
		names, err := fs.Glob(samples, "*.json")
		if err != nil || len(names) != 3 {
			t.Fatalf("%s: got %v, %v", plugin, names, err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(samples, name)
			if err != nil {
				t.Fatal(err)
			}
			var document any
			if err := json.Unmarshal(text, &document); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			schematest.Input(t, plugin, document)
		}
	}
}
