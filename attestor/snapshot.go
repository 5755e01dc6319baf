package attestor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/attestor/telemetry"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/tofu"
)

// snapshot is one version of configuration and policy. It never changes, so that
// an attestation that holds it sees no half of a reload.
type snapshot struct {
	plugin       string
	trustDomain  spiffeid.TrustDomain
	collector    evidence.Collector
	cloudTimeout time.Duration
	agentPath    func(claims any, facts map[string]any) (string, error)
	templateFact string
	engine       *rego.Engine
	ruleNames    map[string]bool           // that the engine's policy has in its text
	policyConfig *decisionlog.PolicyConfig // of the engine, for the decision log
	agents       *tofu.Store
	claims       tofu.Claims
	gate         *gate

	// lease is for what the configuration holds; later policies of it share it.
	lease *lease

	// shadow is asked too, when all is over; nil for none.
	shadow *shadow

	// bundles has the revision of each bundle that the policy is made of.
	bundles map[string]string

	// replaced are files of the baseline that the policy has others for.
	replaced []string
}

// with is the snapshot with another policy.
func (s *snapshot) with(policy policyRevision) *snapshot {
	next := *s
	next.engine, next.bundles, next.replaced = policy.engine, policy.bundles, policy.replaced
	next.ruleNames = ruleNames(policy.engine.Rules())
	return &next
}

// configRequest is what Configure and Validate have in common.
type configRequest interface {
	GetCoreConfiguration() *configv1.CoreConfiguration
	GetHclConfiguration() string
}

// loaded is a configuration made ready: a snapshot that lacks its policy and claims
// only, and the policy's feed. Who drops it stops it.
type loaded struct {
	*snapshot
	built       built
	warnings    []string
	policy      policyFeed
	decisionLog decisionLogConfig
	claims      claimsConfig
}

// stop stops what was made ready, and returns a wait for its end.
func (l loaded) stop() (wait func()) {
	policy, shadow := l.policy.stop(), l.shadow.stop()
	return func() {
		policy()
		shadow()
	}
}

// load makes a snapshot of a configuration, or says all that is wrong with it.
// It changes nothing; with keep, copies of bundles on disk are used and renewed. A
// panic is an error: a bad configuration must not end a plugin that serves with a
// good one.
func (p *Plugin) load(ctx context.Context, req configRequest, keep bool) (_ loaded, err error) {
	defer func() {
		var panicked *recovered.Panic
		if errors.As(err, &panicked) {
			err = configError([]string{fmt.Sprintf("%v\n%s", panicked, panicked.Stack)})
		}
	}()
	defer recovered.To(&err)
	var problems []plugindata.Problem
	td, err := spiffeid.TrustDomainFromString(req.GetCoreConfiguration().GetTrustDomain())
	if err != nil {
		problems = append(problems, plugindata.Problem{Msg: "SPIRE's core configuration: trust_domain: " + err.Error()})
	}
	built, found := p.kind.build(ctx, req.GetHclConfiguration(), host{env: p.env, now: p.now, log: p.log})
	if problems = append(problems, found...); len(problems) > 0 {
		return loaded{}, &ConfigError{problems}
	}
	loader := policyLoader{plugin: p.kind.name, source: built.policy, config: built.policyConfig, timeout: built.policyTimeout}
	policy, err := p.openPolicy(ctx, loader, keep)
	if err != nil {
		return loaded{}, configError(messages(err))
	}
	policyConfig, err := decisionlog.NewPolicyConfig(built.policyConfig)
	if err != nil {
		policy.stop()()
		return loaded{}, configError(messages(err))
	}
	warnings := slices.Concat(turnedDown(built.policyConfig), built.policy.warnings(), built.claims.warnings(), built.warnings)
	var beside *shadow
	if built.shadow != nil {
		warnings = append(warnings, built.shadow.warnings()...)
		loader.source = *built.shadow
		if beside, err = p.newShadow(loader); err != nil {
			policy.stop()()
			return loaded{}, configError(messages(err))
		}
	}
	return loaded{built: built, policy: policy, warnings: warnings, decisionLog: built.decisionLog, claims: built.claims, snapshot: &snapshot{
		plugin:       p.kind.name,
		trustDomain:  td,
		collector:    built.collector,
		cloudTimeout: built.cloudTimeout,
		agentPath:    built.agentPath,
		templateFact: built.templateFact,
		policyConfig: policyConfig,
		shadow:       beside,
		agents:       p.agents,
		gate:         p.gateOf(built.limits),
		lease:        &lease{release: built.release},
	}}, nil
}

// gateOf keeps the gate that there is while its limits stay: those who have gone
// through it count.
func (p *Plugin) gateOf(l limits) *gate {
	if s := p.current.Load(); s != nil && s.gate.limits == l {
		return s.gate
	}
	return newGate(l)
}

// openPolicy loads the policy from where it comes.
func (p *Plugin) openPolicy(ctx context.Context, loader policyLoader, keep bool) (policyFeed, error) {
	follower := &policyFollower{loader: loader, role: enforcingRole, log: p.log, events: changes{p.meter, telemetry.Enforcing}}
	switch {
	case loader.source.Bundles != nil:
		return openBundles(ctx, follower, keep)
	case loader.source.Directory != "":
		return openDirectory(ctx, follower)
	}
	revision, err := loader.load(ctx)
	return fixedPolicy(revision), err
}

// fixedPolicy is the feed of the baseline, which never changes.
type fixedPolicy policyRevision

func (f fixedPolicy) follow(func(context.Context, policyRevision) bool) policyRevision {
	return policyRevision(f)
}

func (fixedPolicy) stop() (wait func()) { return func() {} }

// turnedDown names the rules that the configuration does not let deny.
func turnedDown(policyConfig map[string]any) []string {
	modes, _ := policyConfig["enforcement"].(map[string]any)
	var warnings []string
	for _, rule := range slices.Sorted(maps.Keys(modes)) {
		if modes[rule] != "deny" {
			warnings = append(warnings, fmt.Sprintf("enforcement: rule %s is at %v: what it refuses gets in", rule, modes[rule]))
		}
	}
	return warnings
}

// configError is a ConfigError of problems that are not in any line of plugin_data.
func configError(texts []string) error {
	problems := make([]plugindata.Problem, 0, len(texts))
	for _, text := range texts {
		problems = append(problems, plugindata.Problem{Msg: text})
	}
	return &ConfigError{problems}
}

// A ConfigError is all that is wrong with a configuration, and with the policy
// that it names. To SPIRE it is InvalidArgument with all problems in the message,
// which is what SPIRE logs.
type ConfigError struct{ Problems []plugindata.Problem }

func (e *ConfigError) Error() string {
	text := "invalid configuration"
	for i, problem := range e.Problems {
		if i == 0 {
			text += ": "
		} else {
			text += "; "
		}
		text += problem.String()
	}
	return text
}

// GRPCStatus makes the plugin's gRPC server answer with this code.
func (e *ConfigError) GRPCStatus() *status.Status {
	return status.New(codes.InvalidArgument, e.Error())
}

// problemsOf returns the single problems of an error of load.
func problemsOf(err error) []string {
	var invalid *ConfigError
	if !errors.As(err, &invalid) {
		return []string{err.Error()}
	}
	texts := make([]string, 0, len(invalid.Problems))
	for _, problem := range invalid.Problems {
		texts = append(texts, problem.String())
	}
	return texts
}

// messages splits joined errors, so that each is a note of its own.
func messages(err error) []string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []string{err.Error()}
	}
	var all []string
	for _, e := range joined.Unwrap() {
		all = append(all, messages(e)...)
	}
	return all
}
