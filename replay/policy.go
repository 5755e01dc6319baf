package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/rego/bundles"
)

// A Policy is files of policy under a name to call it by.
type Policy struct {
	Name  string
	Files fs.FS

	replaced map[string][]string // files of the baseline that others are in the place of, by plugin
}

// OpenPolicy opens a directory, or a bundle as gatehouse policy bundle and opa
// build make them, over the baseline, or with the schemas alone under it. It is
// read once: what changes on disk later does not count.
//
// The signature of a bundle is not looked at. It says who may put a policy in
// force, and nothing is put in force here.
func OpenPolicy(path string, withoutBaseline bool) (Policy, error) {
	files, err := readPolicy(path)
	if err != nil {
		return Policy{}, fmt.Errorf("policy %s: %w", path, err)
	}
	over := policies.Over
	if withoutBaseline {
		over = policies.Alone
	}
	overlay := over(files)
	empty, err := overlay.Empty()
	if err == nil && empty {
		// A wrong path in CI must not find the baseline safe; a plugin would refuse it too.
		err = errors.New(`there are no files in it; for the baseline alone say "baseline"`)
	}
	if err != nil {
		return Policy{}, fmt.Errorf("policy %s: %w", path, err)
	}
	frozen, err := rego.Frozen(overlay)
	if err != nil {
		return Policy{}, fmt.Errorf("policy %s: %w", path, err)
	}
	p := Policy{Name: path, Files: frozen, replaced: map[string][]string{}}
	if !withoutBaseline {
		for _, plugin := range policies.Plugins() {
			p.replaced[plugin] = overlay.Replaced(plugin)
		}
	}
	return p, nil
}

// Baseline is the embedded policy alone.
func Baseline() Policy { return Policy{Name: "baseline", Files: policies.Baseline()} }

func readPolicy(path string) (fs.FS, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if info.IsDir() {
		return os.DirFS(path), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	files, err := bundles.ReadUnverified(f)
	if err != nil {
		return nil, fmt.Errorf("is neither a directory nor a bundle: %w", err)
	}
	return files, nil
}
