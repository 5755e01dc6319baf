package attestor

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExamples loads each example as an operator's policy directory, for each
// plugin that it has policies for: they compile, and their own tests pass.
func TestExamples(t *testing.T) {
	azure, problems := buildAzureMSI(`tenants { "9e85e111-1103-48fc-a933-9533fe47de05" {} }`, environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	configs := map[string]map[string]any{
		"aws_iid":   awsDefaults(nil).policyConfig(),
		"azure_msi": azure.policyConfig(),
	}
	const examples = "../policies/examples"
	packages, err := filepath.Glob(examples + "/*/gatehouse/*")
	if err != nil || len(packages) == 0 {
		t.Fatalf("no examples below %s: %v", examples, err)
	}
	folders, err := filepath.Glob(examples + "/*/")
	if err != nil {
		t.Fatal(err)
	}
	loaded := map[string]bool{}
	for _, path := range packages {
		plugin := filepath.Base(path)
		folder := filepath.Dir(filepath.Dir(path))
		t.Run(filepath.Base(folder)+"/"+plugin, func(t *testing.T) {
			config, ok := configs[plugin]
			if !ok {
				t.Fatalf("there is no plugin %s", plugin)
			}
			loader := policyLoader{plugin: plugin, source: policySource{Directory: folder}, config: config}
			if _, err := loader.load(t.Context()); err != nil {
				t.Error(err)
			}
			tests, err := filepath.Glob(path + "/*_test.rego")
			if err != nil || len(tests) == 0 {
				t.Errorf("it has no tests: %v", err)
			}
		})
		loaded[folder] = true
	}
	for _, folder := range folders {
		if info, err := os.Stat(folder); err != nil || info.IsDir() && !loaded[filepath.Clean(folder)] {
			t.Errorf("%s holds no policies: %v", folder, err)
		}
	}
}
