package bundles

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// files is what one bundle holds.
type files struct {
	revision string
	content  map[string][]byte
}

// filesOf takes the files of a bundle that OPA has read: modules and data, which
// is all that OPA keeps of one.
func filesOf(b *bundle.Bundle) (*files, error) {
	switch {
	case b.Type() == bundle.DeltaBundleType:
		return nil, errors.New("is a delta bundle: only whole ones, snapshots, can be verified")
	case len(b.WasmModules) > 0 || len(b.PlanModules) > 0:
		return nil, errors.New("holds compiled policy, WebAssembly or a plan, which would not be evaluated")
	}
	f := &files{revision: b.Manifest.Revision, content: map[string][]byte{}}
	for _, module := range b.Modules {
		if err := f.add(module.RelativePath, module.Raw); err != nil {
			return nil, err
		}
	}
	for _, raw := range b.Raw {
		if strings.HasSuffix(raw.Path, bundle.RegoExt) {
			continue // is among the modules, by its own path
		}
		if err := f.add(raw.Path, raw.Value); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *files) add(name string, content []byte) error {
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if !fs.ValidPath(clean) || clean == "." || strings.Contains("/"+name+"/", "/../") {
		return fmt.Errorf("holds a file %.100q, which is no path within it", name)
	}
	if _, twice := f.content[clean]; twice {
		return fmt.Errorf("holds file %s twice", clean)
	}
	f.content[clean] = content
	return nil
}

// withoutModules is the bundle's data alone. A lazily read bundle, as OPA reads all
// where there is an activator like ours, has its data in Raw.
func withoutModules(b *bundle.Bundle) *bundle.Bundle {
	data := *b
	data.Modules = nil
	data.Raw = slices.DeleteFunc(slices.Clone(b.Raw), func(raw bundle.Raw) bool { return strings.HasSuffix(raw.Path, bundle.RegoExt) })
	return &data
}

// together makes one tree of all bundles' files. fstest.MapFS is the standard
// library's file system in memory.
func together(all map[string]*files) (Set, error) {
	tree := fstest.MapFS{}
	from := map[string]string{}
	set := Set{Files: tree, Revisions: map[string]string{}}
	for _, name := range util.KeysSorted(all) {
		set.Revisions[name] = all[name].revision
		for file, content := range all[name].content {
			if other, twice := from[file]; twice {
				merged, err := mergeData(file, tree[file].Data, content)
				if err != nil {
					return Set{}, fmt.Errorf("bundles %s and %s both hold file %s: %w", other, name, file, err)
				}
				content = merged
			}
			from[file] = name
			tree[file] = &fstest.MapFile{Data: content, Mode: 0o444}
		}
	}
	return set, nil
}

// mergeData makes one file of two bundles' data: what builds bundles puts all data
// into one file at the top. OPA has seen to it that their roots don't overlap.
func mergeData(file string, a, b []byte) ([]byte, error) {
	if strings.HasSuffix(file, bundle.RegoExt) {
		return nil, errors.New("a module can't be in two")
	}
	var into, from map[string]any
	if err := errors.Join(util.Unmarshal(a, &into), util.Unmarshal(b, &from)); err != nil {
		return nil, err
	}
	if err := merge(into, from); err != nil {
		return nil, err
	}
	return json.Marshal(into)
}

func merge(into, from map[string]any) error {
	for key, value := range from {
		old, both := into[key]
		if !both {
			into[key] = value
			continue
		}
		a, ok := old.(map[string]any)
		b, also := value.(map[string]any)
		if !ok || !also {
			return fmt.Errorf("with %q in both", key)
		}
		if err := merge(a, b); err != nil {
			return err
		}
	}
	return nil
}

// unexpired refuses a bundle whose signature has run out, if its signer said so by
// the claim exp, which OPA leaves alone: who holds back news, and serves an old
// bundle again and again, can do so for that long only. OPA has verified the
// signature, if there is one.
func unexpired(signatures bundle.SignaturesConfig, now time.Time) error {
	for _, token := range signatures.Signatures {
		_, rest, _ := strings.Cut(token, ".")
		payload, _, _ := strings.Cut(rest, ".")
		text, err := base64.RawURLEncoding.DecodeString(payload)
		if err != nil {
			return fmt.Errorf("signature: %w", err)
		}
		var claims struct {
			Exp *float64 `json:"exp"` // seconds since 1970
		}
		if err := json.Unmarshal(text, &claims); err != nil {
			return fmt.Errorf("signature: %w", err)
		}
		if claims.Exp != nil && float64(now.Unix()) >= *claims.Exp {
			return fmt.Errorf("its signature expired at %s", time.Unix(int64(*claims.Exp), 0).UTC().Format(time.RFC3339))
		}
	}
	return nil
}
