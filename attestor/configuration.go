package attestor

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// A Configuration is what a plugin would run with: for commands that look at
// configuration and policy, or decide by them, without SPIRE.
type Configuration struct {
	*snapshot
	kind     Kind
	built    built
	warnings []string
	now      func() time.Time
}

// Load makes a Configuration of plugin_data in the very way in which Configure
// does. now is its clock, and that of decisions. A *ConfigError says all that is
// wrong.
func Load(ctx context.Context, kind Kind, trustDomain, pluginData string, now func() time.Time) (*Configuration, error) {
	p := New(kind)
	p.now = now
	ready, err := p.load(ctx, &configv1.ValidateRequest{
		CoreConfiguration: &configv1.CoreConfiguration{TrustDomain: trustDomain},
		HclConfiguration:  pluginData,
	}, false)
	if err != nil {
		return nil, err
	}
	revision := ready.policy.follow(func(context.Context, policyRevision) bool { return false })
	ready.stop()()
	return &Configuration{ready.snapshot.with(revision), kind, ready.built, ready.warnings, now}, nil
}

// WithPolicy is the kind with policies from a directory over the baseline, wherever
// plugin_data has them come from.
func (k Kind) WithPolicy(directory string) Kind {
	build := k.build
	k.build = func(ctx context.Context, text string, h host) (built, []plugindata.Problem) {
		b, problems := build(ctx, text, h)
		b.policy = policySource{Directory: directory}
		return b, problems
	}
	return k
}

// WithPolicyConfig is the kind with a data.gatehouse.config that was recorded,
// whatever plugin_data is. Such a configuration decides about recorded inputs only:
// it can't verify, and can't ask a cloud.
func (k Kind) WithPolicyConfig(config map[string]any) Kind {
	k.build = func(context.Context, string, host) (built, []plugindata.Problem) {
		return built{policyConfig: config, cloudTimeout: defaultCloudTimeout}, nil
	}
	return k
}

// Plugin is the plugin's name.
func (c *Configuration) Plugin() string { return c.kind.name }

// PolicyRevision identifies policy and configuration.
func (c *Configuration) PolicyRevision() string { return c.engine.Revision() }

// PolicySource says where policy comes from: the baseline, a directory, or bundles
// with the revisions that their manifests name.
func (c *Configuration) PolicySource() string { return c.built.policy.describe(c.bundles) }

// A ShadowPolicy is what would be asked beside the policy in force.
type ShadowPolicy struct{ Source, Revision string }

// LoadShadow loads the shadow policy as the policy in force is loaded, with the same
// checks and its own tests; nil if there is none. The plugin starts without a shadow
// policy that is not good, and tells the server's log.
func (c *Configuration) LoadShadow(ctx context.Context) (*ShadowPolicy, error) {
	source := c.built.shadow
	if source == nil {
		return nil, nil
	}
	p := New(c.kind)
	p.now = c.now
	feed, err := p.openPolicy(ctx, policyLoader{plugin: c.kind.name, source: *source, config: c.built.policyConfig}, false)
	if err != nil {
		return nil, err
	}
	revision := feed.follow(func(context.Context, policyRevision) bool { return false })
	feed.stop()()
	return &ShadowPolicy{source.describe(revision.bundles), revision.engine.Revision()}, nil
}

func (s policySource) describe(bundles map[string]string) string {
	from := s.Directory
	switch {
	case s.Bundles != nil:
		from = bundleNames(bundles)
	case from == "":
		return "the baseline"
	}
	if s.WithoutBaseline {
		return from + ", without the baseline"
	}
	return from + " over the baseline"
}

// bundleNames lists bundles, and the revision of each that has one.
func bundleNames(revisions map[string]string) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(revisions)) {
		text := "bundle " + name
		if revision := revisions[name]; revision != "" {
			text += " (revision " + revision + ")"
		}
		names = append(names, text)
	}
	return strings.Join(names, ", ")
}

// PolicyFile is where a person finds a file of the policy: its path below the
// operator's directory, or its name in the baseline.
func (c *Configuration) PolicyFile(name string) string {
	if dir := c.built.policy.Directory; dir != "" {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return name
}

// Warnings are what is allowed, and worth a second thought.
func (c *Configuration) Warnings() []string {
	warnings := slices.Clone(c.warnings)
	if len(c.replaced) > 0 {
		warnings = append(warnings, fmt.Sprintf("policy: replaces the baseline's %s: what those refuse, only the policy's own rules refuse", strings.Join(c.replaced, ", ")))
	}
	return warnings
}

// Rules are the checks of the policy, by name, file and line.
func (c *Configuration) Rules() []rego.Rule { return c.engine.Rules() }

// Enforcement is what becomes of a rule's violations: "deny", "warn" or "off".
func (c *Configuration) Enforcement(rule string) string {
	modes, _ := c.built.policyConfig["enforcement"].(map[string]any)
	if mode, ok := modes[rule].(string); ok {
		return mode
	}
	return "deny"
}

// Facts are those that policy asks for when it decides about the sample inputs:
// required ones, and those that it can do without.
func (c *Configuration) Facts(ctx context.Context) (required, optional []string, err error) {
	samples, err := policies.Samples(c.kind.name)
	if err != nil {
		return nil, nil, err
	}
	names, err := fs.Glob(samples, "*.json")
	if err != nil {
		return nil, nil, err
	}
	asked := map[string]bool{} // and whether it is required
	for _, name := range names {
		text, err := fs.ReadFile(samples, name)
		if err != nil {
			return nil, nil, err
		}
		in, err := rego.DecodeInput(text)
		if err != nil {
			return nil, nil, fmt.Errorf("sample %s: %w", name, err)
		}
		in.Facts, in.FactsStatus = nil, nil
		admission, err := c.engine.Admit(ctx, in)
		if err != nil {
			return nil, nil, fmt.Errorf("sample %s: %w", name, err)
		}
		for _, fact := range admission.Optional {
			if !asked[fact] {
				asked[fact] = false
			}
		}
		for _, fact := range admission.Required {
			asked[fact] = true
		}
	}
	for _, fact := range slices.Sorted(maps.Keys(asked)) {
		if asked[fact] {
			required = append(required, fact)
		} else {
			optional = append(optional, fact)
		}
	}
	return required, optional, nil
}
