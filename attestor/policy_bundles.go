package attestor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/rego/bundles"
)

// policyBundles is the feed of bundles.
type policyBundles struct {
	*policyFollower
	source *bundles.Source
	ctx    context.Context
	cancel context.CancelFunc
	first  chan struct{} // closed when there is a revision to begin with
	once   sync.Once     // for closing it
	unfit  chan error    // why what came to begin with may not
	single bool          // there is one bundle

	// What was refused last: OPA offers it again after a moment, and testing it
	// each time would cost a core.
	refusedDigest string
	refusedAt     time.Time
	refusal       error

	noted map[string]string // the last problem of each bundle; guarded by notes
	notes sync.Mutex
}

// openBundles gets the first of each bundle, and fails if that takes longer than
// the configuration allows: without them there is no policy of the operator's, and
// the baseline alone might let in what it would not. With keep, copies on disk are
// used and renewed.
func openBundles(ctx context.Context, f *policyFollower, keep bool) (policyFeed, error) {
	b, config, err := newBundles(f, keep)
	if err != nil {
		return nil, err
	}
	if err := b.source.Start(b.ctx); err != nil {
		b.cancel()
		return nil, b.inBlock(err)
	}
	// What is on disk may be unfit without harm.
	select {
	case <-b.unfit:
	default:
	}
	timeout := time.NewTimer(f.loader.source.Bundles.StartTimeout)
	defer timeout.Stop()
	select {
	case <-b.first:
		return b, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timeout.C:
		err = b.missing(config)
	case err = <-b.unfit:
		err = b.inBlock(err)
	}
	b.stop()()
	return nil, err
}

// newBundles is the feed of bundles that have not been asked for yet.
func newBundles(f *policyFollower, keep bool) (*policyBundles, bundles.Config, error) {
	config, err := opaConfig(f.loader.source.Bundles, keep)
	if err != nil {
		return nil, config, err
	}
	b := &policyBundles{policyFollower: f, first: make(chan struct{}), unfit: make(chan error, 1), single: len(config.Bundles) == 1, noted: map[string]string{}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.source, err = bundles.New(bundles.Options{Config: config, Accept: b.accept, Had: b.had, Notice: b.notice})
	if err != nil {
		b.cancel()
		return nil, config, b.inBlock(err)
	}
	return b, config, nil
}

// opaConfig reads the configuration back. Without keep nothing is persisted:
// who only asks whether it is good must change nothing.
func opaConfig(source *bundleSource, keep bool) (bundles.Config, error) {
	var config bundles.Config
	if err := json.Unmarshal([]byte(source.OPA.reveal()), &config); err != nil || keep {
		return config, err
	}
	config.PersistenceDirectory = ""
	for name, raw := range config.Bundles {
		var bundle map[string]json.RawMessage
		if err := json.Unmarshal(raw, &bundle); err != nil {
			return config, err
		}
		delete(bundle, "persist")
		text, err := json.Marshal(bundle)
		if err != nil {
			return config, err
		}
		config.Bundles[name] = text
	}
	return config, nil
}

// inBlock says of each problem where in plugin_data it is.
func (b *policyBundles) inBlock(err error) error {
	var problems []error
	for _, problem := range messages(err) {
		problems = append(problems, errors.New(b.role.block+": "+problem))
	}
	return errors.Join(problems...)
}

// missing says why there is no first revision.
func (b *policyBundles) missing(config bundles.Config) error {
	b.notes.Lock()
	defer b.notes.Unlock()
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(config.Bundles)) {
		why := b.noted[name]
		if why == "" && len(config.Bundles) > 1 {
			continue
		}
		if why == "" {
			why = "the service has not answered"
		}
		problems = append(problems, fmt.Errorf("%s: bundle %q could not be taken within %v: %s", b.role.block, name, b.loader.source.Bundles.StartTimeout, why))
	}
	if len(problems) == 0 {
		problems = append(problems, fmt.Errorf("%s: not all bundles could be had within %v", b.role.block, b.loader.source.Bundles.StartTimeout))
	}
	return errors.Join(problems...)
}

// accept puts a set of bundles in force if it is good.
func (b *policyBundles) accept(ctx context.Context, set bundles.Set) error {
	noticed := time.Now()
	overlay := b.loader.over(set.Files)
	digest, err := rego.Digest(overlay)
	if err == nil && b.refusal != nil && digest == b.refusedDigest && time.Since(b.refusedAt) < policyPoll {
		b.reject(b.refusal)
		return b.refusal
	}
	current := b.inForce()
	if err == nil && current.engine != nil && digest == current.digest && maps.Equal(set.Revisions, current.bundles) {
		b.good()
		return nil
	}
	next := policyRevision{digest: digest, bundles: set.Revisions, replaced: overlay.Replaced(b.loader.plugin)}
	if err == nil {
		next.engine, err = b.loader.test(ctx, overlay)
	}
	if stopped := errors.Join(ctx.Err(), b.ctx.Err()); stopped != nil {
		return stopped
	}
	b.refusedDigest, b.refusedAt, b.refusal = digest, time.Now(), err
	if err != nil {
		if b.beginning() {
			b.reject(err)
		} else {
			b.refused(messages(err), next.logFields()...)
		}
		return err
	}
	if !b.takeOver(b.ctx, next, noticed) {
		return errors.New("the configuration has been replaced")
	}
	b.once.Do(func() { close(b.first) })
	return nil
}

// reject ends the wait for the first revision, if one bundle is all there is: of
// several, another may make it good.
func (b *policyBundles) reject(err error) {
	if !b.single {
		return
	}
	select {
	case b.unfit <- err:
	default:
	}
}

// had hears how it went to get a bundle. What accept refused has been said.
func (b *policyBundles) had(name string, err error) {
	if b.ctx.Err() != nil {
		return // stopped, which is no problem of the bundle's
	}
	b.notes.Lock()
	defer b.notes.Unlock()
	if err == nil {
		if b.noted[name] != "" {
			delete(b.noted, name)
		}
		if len(b.noted) == 0 {
			b.good()
		}
		return
	}
	problem := oneLine(err.Error())
	if b.noted[name] == problem {
		return
	}
	b.noted[name] = problem
	if b.refusal != nil && err.Error() == b.refusal.Error() {
		return
	}
	current := b.inForce()
	if b.beginning() {
		return // Configure will say so
	}
	b.bad = problem
	b.events.policyUnavailable()
	b.logEach(b.role.unavailable, messages(err), "bundle", name, "policy_revision", current.name())
}

func (b *policyBundles) notice(text string) {
	b.log.Warn("Policy bundles", "problem", oneLine(text))
}

func (b *policyBundles) stop() (wait func()) {
	b.cancel()
	return b.source.Stop
}
