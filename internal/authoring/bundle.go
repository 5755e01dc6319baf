package authoring

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// Bundle says what goes into an OPA bundle.
type Bundle struct {
	// Files are a directory's; its own go into the bundle.
	Files *policies.Overlay

	// Revision names this state of the policy; empty for the digest of its files.
	Revision string

	// Signing signs the bundle, with the key's ID; nil for none.
	Signing *bundle.SigningConfig
	KeyID   string
}

// Build makes the bundle: policies with their tests, and data. The same files
// give the same bytes, but for the signature of an algorithm that draws lots.
func (b Bundle) Build() ([]byte, bundle.Manifest, error) {
	revision := b.Revision
	if revision == "" {
		digest, err := rego.Digest(b.Files)
		if err != nil {
			return nil, bundle.Manifest{}, err
		}
		revision = digest
	}
	loader := bundle.NewFSLoaderWithRoot(b.Files, ".").WithFilter(func(name string, info fs.FileInfo, _ int) bool {
		return !info.IsDir() && !b.Files.Own(name)
	})
	made, err := bundle.NewCustomReader(loader).WithCapabilities(rego.Capabilities()).WithProcessAnnotations(true).Read()
	if err != nil {
		return nil, bundle.Manifest{}, err
	}
	if err := b.leftOut(); err != nil {
		return nil, bundle.Manifest{}, err
	}
	roots := roots(made)
	made.Manifest.Revision, made.Manifest.Roots = revision, &roots
	if b.Signing != nil {
		if err := made.GenerateSignature(b.Signing, b.KeyID, true); err != nil {
			return nil, bundle.Manifest{}, fmt.Errorf("sign: %w", err)
		}
	}
	var text bytes.Buffer
	if err := bundle.NewWriter(&text).UseModulePath(true).DisableFormat(true).Write(made); err != nil {
		return nil, bundle.Manifest{}, err
	}
	return text.Bytes(), made.Manifest, nil
}

// leftOut refuses files that count in a directory and can't be in a bundle.
func (b Bundle) leftOut() error {
	schemas, err := fs.Glob(b.Files, "schemas/*")
	if err != nil {
		return err
	}
	for _, name := range schemas {
		if b.Files.Own(name) {
			return fmt.Errorf("%s: a bundle has no place for schemas: Gatehouse's own apply", name)
		}
	}
	return nil
}

// roots lists what a bundle brings, without what is below another of them, so that
// bundles with other packages and data can be loaded beside it.
func roots(b bundle.Bundle) []string {
	var all []string
	for _, module := range b.Modules {
		pkg, err := module.Parsed.Package.Path.Ptr()
		if err == nil {
			all = append(all, pkg)
		}
	}
	all = append(all, dataRoots(b.Data, "")...)
	slices.Sort(all)
	var top []string
	for _, root := range slices.Compact(all) {
		if !slices.ContainsFunc(top, func(above string) bool { return bundle.RootPathsContain([]string{above}, root) }) {
			top = append(top, root)
		}
	}
	return top
}

// dataRoots are the top levels of data, and below gatehouse, which holds packages
// too, those below it.
func dataRoots(data map[string]any, at string) []string {
	var all []string
	for key, value := range data {
		root := path.Join(at, key)
		if object, ok := value.(map[string]any); ok && root == "gatehouse" {
			all = append(all, dataRoots(object, root)...)
		} else {
			all = append(all, root)
		}
	}
	return all
}
