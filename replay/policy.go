package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego/bundles"
)

// A Policy is files of policy under a name to call it by.
type Policy struct {
	Name  string
	Files fs.FS
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
	return Policy{Name: path, Files: over(files)}, nil
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
