package authoring

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

//go:embed templates/eject.md
var ejectReadme []byte

// Eject writes the baseline with its tests, the schemas, the samples and the
// allowed built-ins to a folder that is new or empty, for OPA's own tools to read.
// Policies have a folder of their own there: opa would take the other files, which
// are JSON, for data.
func Eject(dir string, plugins []string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: name a new folder", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	capabilities, err := json.MarshalIndent(rego.Capabilities(), "", "  ")
	if err != nil {
		return err
	}
	isPolicy := func(name string) bool { return path.Ext(name) == ".rego" }
	isSchema := func(name string) bool { return strings.HasPrefix(name, "schemas/") }
	err = errors.Join(
		copyFiles(filepath.Join(dir, "policy"), policies.Baseline(), isPolicy),
		copyFiles(dir, policies.Baseline(), isSchema),
		write(dir, "capabilities.json", append(capabilities, '\n')),
		write(dir, regalConfigPath, policies.RegalConfig),
		write(dir, "README.md", ejectReadme),
	)
	for _, plugin := range plugins {
		samples, failed := policies.Samples(plugin)
		if failed != nil {
			return failed
		}
		config, failed := policies.SampleConfig(plugin)
		if failed != nil {
			return failed
		}
		err = errors.Join(err,
			copyFiles(filepath.Join(dir, "samples", plugin), samples, func(string) bool { return true }),
			write(dir, "samples/"+plugin+"_config.json", config))
	}
	return err
}
