package attestor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// policyLoader makes engines of a source, for one configuration.
type policyLoader struct {
	plugin string
	source policySource
	config map[string]any // data.gatehouse.config

	timeout time.Duration // of one evaluation; zero means rego's default
}

// policyRevision is an engine and what it was made of.
type policyRevision struct {
	engine  *rego.Engine
	digest  string            // of the files
	bundles map[string]string // the revision of each bundle; nil if there are none

	// replaced are files of the baseline that are not in force.
	replaced []string
}

// load makes an engine of the baseline, or of the directory as it is now.
func (l policyLoader) load(ctx context.Context) (policyRevision, error) {
	if l.source.Directory == "" {
		engine, err := l.newEngine(ctx, rego.Options{Policy: policies.Baseline()})
		return policyRevision{engine: engine}, err
	}
	overlay, err := l.overlay()
	if err != nil {
		return policyRevision{}, err
	}
	// Files that are written meanwhile could give a policy that nobody wrote, some
	// files old and some new.
	var engine *rego.Engine
	var failure error
	digest, err := untilSteady(func() (string, error) { return rego.Digest(overlay) }, func() { engine, failure = l.test(ctx, overlay) })
	if err != nil {
		return policyRevision{}, err
	}
	return policyRevision{engine: engine, digest: digest, replaced: overlay.Replaced(l.plugin)}, failure
}

// untilSteady reads files until they have the same digest before and after.
func untilSteady(digest func() (string, error), read func()) (string, error) {
	before, err := digest()
	if err != nil {
		return "", err
	}
	for range maxReads {
		read()
		after, err := digest()
		if err != nil || after == before {
			return after, err
		}
		before = after
	}
	return "", errors.New("the directory's files change all the time")
}

// test makes an engine of an operator's files, of which there must be some: a volume
// that isn't mounted must not take all their checks away. Their tests must pass; the
// baseline's own did when it was built.
func (l policyLoader) test(ctx context.Context, overlay *policies.Overlay) (*rego.Engine, error) {
	if empty, err := overlay.Empty(); err != nil {
		return nil, err
	} else if empty {
		return nil, errors.New("there are no files in it: is it mounted? for the baseline alone remove the block that names it")
	}
	samples, err := policies.Samples(l.plugin)
	if err != nil {
		return nil, err
	}
	opts := rego.Options{Policy: overlay, SelfTest: overlay.Own, Samples: samples}
	if !l.source.WithoutBaseline {
		opts.Replaces = overlay.Replaced(l.plugin)
	}
	return l.newEngine(ctx, opts)
}

// newEngine makes an engine for the configuration. A panic in the compiler is an
// error: a bad policy must not take the plugin down.
func (l policyLoader) newEngine(ctx context.Context, opts rego.Options) (_ *rego.Engine, err error) {
	defer recovered.To(&err)
	opts.Plugin, opts.Config, opts.Timeout = l.plugin, l.config, l.timeout
	return rego.New(ctx, opts)
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
	return l.over(os.DirFS(dir)), nil
}

// over lays an operator's files over the baseline, or over nothing.
func (l policyLoader) over(own fs.FS) *policies.Overlay {
	if l.source.WithoutBaseline {
		return policies.Alone(own)
	}
	return policies.Over(own)
}

func (l policyLoader) directory() (string, error) { return filepath.Abs(l.source.Directory) }
