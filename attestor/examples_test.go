package attestor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

const examplesDir = "../policies/examples"

// TestExamples loads each example as an operator's policy directory, for each
// plugin that it has policies for: they compile, their own tests pass, and the
// samples get an answer.
func TestExamples(t *testing.T) {
	for _, folder := range exampleFolders(t) {
		packages, err := filepath.Glob(folder + "/gatehouse/*")
		if err != nil || len(packages) == 0 {
			t.Errorf("%s holds no policies: %v", folder, err)
		}
		for _, path := range packages {
			plugin := filepath.Base(path)
			t.Run(filepath.Base(folder)+"/"+plugin, func(t *testing.T) {
				loader := policyLoader{plugin: plugin, source: policySource{Directory: folder}, config: exampleConfig(t, plugin)}
				if _, err := loader.load(t.Context()); err != nil {
					t.Error(err)
				}
				tests, err := filepath.Glob(path + "/*_test.rego")
				if err != nil || len(tests) == 0 {
					t.Errorf("it has no tests: %v", err)
				}
			})
		}
	}
}

// All of them together give an engine that answers about the samples. That their
// tests pass beside one another is for the tests of package policies to say, which
// have no limit on the time.
func TestExamplesTogether(t *testing.T) {
	dir := t.TempDir()
	copyExamples(t, dir, exampleFolders(t)...)
	for _, plugin := range []string{"aws_iid", "azure_msi"} {
		samples, err := policies.Samples(plugin)
		if err != nil {
			t.Fatal(err)
		}
		_, err = rego.New(t.Context(), rego.Options{
			Plugin: plugin, Policy: policies.Over(os.DirFS(dir)), Config: exampleConfig(t, plugin), Samples: samples,
		})
		if err != nil {
			t.Errorf("%s: %v", plugin, err)
		}
	}
}

func exampleFolders(t *testing.T) (folders []string) {
	t.Helper()
	entries, err := os.ReadDir(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			folders = append(folders, filepath.Join(examplesDir, entry.Name()))
		}
	}
	if len(folders) < 14 {
		t.Fatalf("only %d examples: %v", len(folders), folders)
	}
	return folders
}

// copyExamples copies examples into one directory, and overwrites nothing.
func copyExamples(t *testing.T, dir string, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
	}
}

// exampleConfig is data.gatehouse.config, as small as it can be.
func exampleConfig(t *testing.T, plugin string) map[string]any {
	t.Helper()
	switch plugin {
	case "aws_iid":
		return awsDefaults(nil).policyConfig()
	case "azure_msi":
		azure, problems := buildAzureMSI(`tenants { "9e85e111-1103-48fc-a933-9533fe47de05" {} }`, environment(nil))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return azure.policyConfig()
	default:
		t.Fatalf("there is no plugin %s", plugin)
		return nil
	}
}
