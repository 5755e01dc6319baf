package attestor

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// Both plugins' schemas have the facts of their collectors and no others, so that the
// engine refuses a policy that asks for another; their samples have a word about each.
func TestSamplesHaveEveryFact(t *testing.T) {
	for _, kind := range Kinds() {
		config := map[string]string{"aws_iid": "", "azure_msi": `tenants { "9e85e111-1103-48fc-a933-9533fe47de05" = {} }`}[kind.Name()]
		built, problems := kind.build(t.Context(), config, host{env: func(string) string { return "" }, now: time.Now})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		want := built.collector.FactNames()
		slices.Sort(want)
		text, err := fs.ReadFile(policies.Baseline(), "schemas/"+kind.Name()+".json")
		if err != nil {
			t.Fatal(err)
		}
		var schema struct {
			Properties struct {
				Facts struct{ Properties map[string]any }
			}
		}
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schema.Properties.Facts.Properties))); diff != "" {
			t.Errorf("%s: schema (-want +got):\n%s", kind.Name(), diff)
		}
		for name, in := range samplesOf(t, kind.Name()) {
			var got []string
			for fact := range in.Facts {
				got = append(got, fact)
			}
			for fact := range in.FactsStatus {
				got = append(got, fact)
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", kind.Name(), name, diff)
			}
		}
	}
}

func samplesOf(t *testing.T, plugin string) map[string]rego.Input {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "policies", "samples", plugin, "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("found %v, %v", names, err)
	}
	inputs := map[string]rego.Input{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if inputs[name], err = rego.DecodeInput(text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return inputs
}

// The baseline answers about its own samples, however the plugin is configured.
func TestBaselineAnswersSamples(t *testing.T) {
	const tenant = "tenants { \"9e85e111-1103-48fc-a933-9533fe47de05\" = {} }\n"
	for _, tc := range []struct {
		kind    Kind
		configs []string
	}{
		{AWSIID(), []string{"", `agent_path_template = "/{{ .PluginName }}/{{ .InstanceID }}"`, `partition = "aws-cn"`, `enforcement { tofu = "off" }`}},
		{AzureMSI(), []string{tenant, tenant + `agent_path_template = "/{{ .PluginName }}/{{ .TenantID }}/{{ .PrincipalID }}"`}},
	} {
		for _, config := range tc.configs {
			built, problems := tc.kind.build(t.Context(), config, host{env: func(string) string { return "" }, now: time.Now})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			dir := policyDir(t.TempDir())
			dir.write(t, "README.md", "No policy of its own.")
			loader := policyLoader{plugin: tc.kind.Name(), source: policySource{Directory: string(dir)}, config: built.policyConfig}
			if _, err := loader.load(t.Context()); err != nil {
				t.Errorf("%s with %q: %v", tc.kind.Name(), config, err)
			}
		}
	}
}

// The samples' configuration is what a plugin makes of the least plugin_data that
// it takes.
func TestSampleConfig(t *testing.T) {
	least := map[string]string{"aws_iid": "", "azure_msi": `tenants { "9e85e111-1103-48fc-a933-9533fe47de05" = {} }`}
	for _, kind := range Kinds() {
		built, problems := kind.build(t.Context(), least[kind.Name()], host{env: func(string) string { return "" }, now: time.Now})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		want, err := json.MarshalIndent(built.policyConfig, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got, err := policies.SampleConfig(kind.Name())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want)+"\n", string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind.Name(), diff)
		}
	}
}
