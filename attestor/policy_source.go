package attestor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// policySource is the block policy: where policy comes from. The zero value is
// the baseline alone.
type policySource struct {
	// Directory is over the baseline, or in its place; empty for none.
	Directory string

	// WithoutBaseline is only set with a directory.
	WithoutBaseline bool
}

// buildPolicySource reads the block policy.
func buildPolicySource(o *plugindata.Object) policySource {
	block, ok := o.Object("policy")
	if !ok {
		return policySource{}
	}
	baseline, set := block.Bool("baseline")
	source := policySource{Directory: textOr(block, "directory", ""), WithoutBaseline: set && !baseline}
	if lacks(block, "directory") {
		block.Problem("directory", "is missing: name the directory with your policies; for the baseline alone remove the block policy")
	}
	return source
}

// policyLoader makes engines of a source, for one configuration.
type policyLoader struct {
	plugin string
	source policySource
	config map[string]any // data.gatehouse.config
}

// policyRevision is an engine and the digest of the files that it was made of.
type policyRevision struct {
	engine *rego.Engine
	digest string
}

// maxReads is how often a directory is read that changes meanwhile.
const maxReads = 3

// load makes an engine of the files as they are now. Those of a directory are
// tested first; the baseline's own were when it was built. A panic in the compiler
// is an error: the watch must not take the plugin down.
func (l policyLoader) load(ctx context.Context) (_ policyRevision, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	opts := rego.Options{Plugin: l.plugin, Policy: policies.Baseline(), Config: l.config}
	if l.source.Directory == "" {
		engine, err := rego.New(ctx, opts)
		return policyRevision{engine: engine}, err
	}
	overlay, err := l.overlay()
	if err != nil {
		return policyRevision{}, err
	}
	samples, err := policies.Samples(l.plugin)
	if err != nil {
		return policyRevision{}, err
	}
	opts.Policy, opts.SelfTest, opts.Samples = overlay, overlay.Own, samples

	// Files that are written meanwhile could give a policy that nobody wrote, some
	// files old and some new.
	before, err := rego.Digest(overlay)
	if err != nil {
		return policyRevision{}, err
	}
	for range maxReads {
		engine, failure := rego.New(ctx, opts)
		after, err := rego.Digest(overlay)
		switch {
		case err != nil:
			return policyRevision{}, err
		case before == after:
			return policyRevision{engine, after}, failure
		}
		before = after
	}
	return policyRevision{}, errors.New("the directory's files change all the time")
}

// digest identifies the files as they are now.
func (l policyLoader) digest() (string, error) {
	overlay, err := l.overlay()
	if err != nil {
		return "", err
	}
	return rego.Digest(overlay)
}

func (l policyLoader) overlay() (*policies.Overlay, error) {
	dir, err := l.directory()
	if err != nil {
		return nil, err
	}
	// Otherwise a missing directory would be "stat .: no such file or directory".
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, &fs.PathError{Op: "policy directory", Path: dir, Err: errors.New("is no directory")}
	}
	if l.source.WithoutBaseline {
		return policies.Alone(os.DirFS(dir)), nil
	}
	return policies.Over(os.DirFS(dir)), nil
}

func (l policyLoader) directory() (string, error) { return filepath.Abs(l.source.Directory) }
