package attestor

import (
	"path/filepath"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// policySource is the block policy, or shadow: where a policy comes from. The zero
// value is the baseline alone.
type policySource struct {
	// Directory is over the baseline, or in its place; empty for none.
	Directory string

	// Bundles are over the baseline, or in its place; nil for none. There is a
	// directory or bundles.
	Bundles *bundleSource

	// WithoutBaseline is only set with a directory or bundles.
	WithoutBaseline bool
}

// buildPolicySource reads the block policy.
func buildPolicySource(o *plugindata.Object) policySource {
	block, ok := o.Object("policy")
	if !ok {
		return policySource{}
	}
	return decodePolicySource(block, policyBlock)
}

// The blocks that say where a policy comes from.
const (
	policyBlock = "policy"
	shadowBlock = "shadow"
)

// buildShadowSource reads the block shadow; nil if there is none.
func buildShadowSource(o *plugindata.Object) *policySource {
	block, ok := o.Object(shadowBlock)
	if !ok {
		return nil
	}
	source := decodePolicySource(block, shadowBlock)
	enforcing, ok := o.Object(policyBlock)
	if !ok {
		return &source
	}
	// A server that starts while the service is down takes what is there.
	own, theirs := textOr(block, "persistence_directory", ""), textOr(enforcing, "persistence_directory", "")
	if own != "" && theirs != "" && filepath.Clean(own) == filepath.Clean(theirs) {
		block.Problem("persistence_directory", "must be another than that of the block policy: a bundle of one could come to be the policy of the other")
	}
	return &source
}

// decodePolicySource reads a block that says where a policy comes from.
func decodePolicySource(block *plugindata.Object, name string) policySource {
	baseline, set := block.Bool("baseline")
	source := policySource{
		Directory:       textOr(block, "directory", ""),
		Bundles:         decodeBundleSource(block, name),
		WithoutBaseline: set && !baseline,
	}
	switch {
	case source.Bundles != nil && source.Directory != "":
		block.Problem("directory", "excludes bundle blocks: policy comes from a directory or from bundles")
	case source.Bundles == nil && lacks(block, "directory"):
		block.Problem("directory", "is missing: name the directory with your policies, or a bundle; for the baseline alone remove the block %s", name)
	}
	return source
}

// warnings are what is allowed, and worth a second thought.
func (s policySource) warnings() []string {
	if s.Bundles == nil {
		return nil
	}
	return s.Bundles.Warnings
}

const defaultStartTimeout = 30 * time.Second

// startTimeout reads how long Configure waits for the first bundles.
func startTimeout(block *plugindata.Object) time.Duration {
	return durationBetween(block, "start_timeout", minStartTimeout, maxStartTimeout, defaultStartTimeout)
}
