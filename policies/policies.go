// Package policies holds the baseline: the Rego that decides when an operator
// configures nothing, and the JSON Schemas of what it reads. Go only embeds it.
//
// Start reading at gatehouse/aws_iid/aws_iid.rego, which says how a policy is
// put together. Each rule is a file of its own, so that an operator's file at the
// same relative path replaces exactly that rule: see Over.
package policies

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:generate go run ../internal/inputdoc ../docs/input.md

//go:embed gatehouse schemas
var baseline embed.FS

//go:embed schemas
var schemas embed.FS

//go:embed samples/*/*.json samples/*.json
var samples embed.FS

// RegalConfig configures Regal, the Rego linter, for the conventions of these
// policies and of those that are put over them.
//
//go:embed .regal/config.yaml
var RegalConfig []byte

// Baseline returns the embedded policies: gatehouse/… with their tests, and
// schemas/….
func Baseline() fs.FS { return baseline }

// Plugins lists the plugins that there are policies for.
func Plugins() []string {
	names, err := fs.Glob(schemas, "schemas/*_config.json")
	if err != nil {
		return nil // the pattern is a good one
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(path.Base(name), "_config.json")
	}
	return names
}

// Samples returns a plugin's sample inputs: documents as policies see them at the
// decision, on which a changed policy is tried before it takes over.
func Samples(plugin string) (fs.FS, error) {
	return fs.Sub(samples, "samples/"+plugin)
}

// SampleConfig returns the configuration with which a plugin's samples are decided
// where no plugin_data says otherwise, as JSON: what the plugin makes of the least
// plugin_data that it takes.
func SampleConfig(plugin string) ([]byte, error) {
	return samples.ReadFile("samples/" + plugin + "_config.json")
}
