// Package attestors loads node attestors of a SPIRE server without the server:
// with SPIRE's own code, the built-in one in this process, Gatehouse as a process
// of its own that is spoken to over gRPC. Both can then be asked the same.
//
// Start at BuiltInAWSIID and External.
package attestors

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/sirupsen/logrus"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"github.com/spiffe/spire/pkg/common/catalog"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/azuremsi"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
)

// TrustDomain is that of the server that the attestors believe to be in.
const TrustDomain = "example.org"

// Attestor is a loaded node attestor. It is safe for concurrent use, but for
// Configure and Close.
type Attestor struct {
	// Log is what it has logged.
	Log *Log

	loaded  *catalog.Catalog
	plugins *repository
}

// An Answer is what an attestor says of a node it lets in.
type Answer struct {
	AgentID     string
	Selectors   []string // without type, in the attestor's order
	CanReattest bool
}

// BuiltInAWSIID loads SPIRE's own aws_iid.
func BuiltInAWSIID(ctx context.Context, store agentstorev1.AgentStoreServer) (*Attestor, error) {
	return load(ctx, store, catalog.PluginConfig{Name: "aws_iid"}, awsiid.BuiltIn())
}

// BuiltInAzureMSI loads SPIRE's own azure_msi. It finds Azure through this process's
// proxy, of which only what the environment said first counts.
func BuiltInAzureMSI(ctx context.Context, store agentstorev1.AgentStoreServer) (*Attestor, error) {
	return load(ctx, store, catalog.PluginConfig{Name: "azure_msi"}, azuremsi.BuiltIn())
}

// External starts a plugin's program, as plugin_cmd and plugin_args do. It gets
// the environment that this process has now.
func External(ctx context.Context, store agentstorev1.AgentStoreServer, name, program string, args ...string) (*Attestor, error) {
	return ExternalIn(ctx, nil, store, name, program, args...)
}

// ExternalIn is External with more variables in the program's environment alone, so
// that several can be led to clouds of their own at a time. SPIRE has no way to say
// so: env(1) sets them and becomes the program.
func ExternalIn(ctx context.Context, env []string, store agentstorev1.AgentStoreServer, name, program string, args ...string) (*Attestor, error) {
	if len(env) > 0 {
		command, err := exec.LookPath("env")
		if err != nil {
			return nil, fmt.Errorf("attestors: %w", err)
		}
		program, args = command, slices.Concat(env, []string{program}, args)
	}
	sum, err := repo.Checksum(program)
	if err != nil {
		return nil, err
	}
	return load(ctx, store, catalog.PluginConfig{Name: name, Path: program, Args: args, Checksum: sum})
}

func load(ctx context.Context, store agentstorev1.AgentStoreServer, plugin catalog.PluginConfig, builtIns ...catalog.BuiltIn) (*Attestor, error) {
	plugin.Type = nodeattestor.V1{}.Type()
	a := &Attestor{Log: newLog(), plugins: &repository{builtIns: builtIns}}
	var err error
	a.loaded, err = catalog.Load(ctx, catalog.Config{
		Log:           a.Log.logger(),
		PluginConfigs: []catalog.PluginConfig{plugin},
		HostServices:  []pluginsdk.ServiceServer{agentstorev1.AgentStoreServiceServer(store)},
	}, a.plugins)
	if err != nil {
		return nil, fmt.Errorf("attestors: %w", err)
	}
	return a, nil
}

// Configure gives the attestor its plugin_data. Unlike SPIRE's Load, it can be
// called again, and leaves a refused configuration's error as it is.
func (a *Attestor) Configure(ctx context.Context, pluginData string) error {
	_, err := a.plugins.configurer.Configure(ctx, &configv1.ConfigureRequest{
		CoreConfiguration: &configv1.CoreConfiguration{TrustDomain: TrustDomain},
		HclConfiguration:  pluginData,
	})
	return err
}

// Validate says what the attestor has against plugin_data; nothing means that it
// would take it.
func (a *Attestor) Validate(ctx context.Context, pluginData string) ([]string, error) {
	answer, err := a.plugins.configurer.Validate(ctx, &configv1.ValidateRequest{
		CoreConfiguration: &configv1.CoreConfiguration{TrustDomain: TrustDomain},
		HclConfiguration:  pluginData,
	})
	if err != nil {
		return nil, fmt.Errorf("attestors: %w", err)
	}
	if answer.GetValid() != (len(answer.GetNotes()) == 0) {
		return nil, fmt.Errorf("attestors: valid is %t, and the notes are %q", answer.GetValid(), answer.GetNotes())
	}
	return answer.GetNotes(), nil
}

// Attest presents a payload. Errors are the attestor's own, for status.Code.
func (a *Attestor) Attest(ctx context.Context, payload []byte) (Answer, error) {
	result, err := a.plugins.attestor.Attest(ctx, payload, func(context.Context, []byte) ([]byte, error) {
		return nil, errors.New("attestors: a challenge, and there is no one to answer")
	})
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{AgentID: result.AgentID, CanReattest: result.CanReattest}
	for _, selector := range result.Selectors {
		answer.Selectors = append(answer.Selectors, selector.GetValue())
	}
	return answer, nil
}

// AgentID makes the ID of an agent in the attestors' trust domain.
func AgentID(path string) string {
	return spiffeid.RequireTrustDomainFromString(TrustDomain).IDString() + "/spire/agent" + path
}

// Close unloads it, and ends its process if it has one.
func (a *Attestor) Close() error { return a.loaded.Close() }

// repository is the part of a SPIRE server's that holds node attestors. It takes
// their configuration service for itself, which the catalog would keep.
type repository struct {
	builtIns   []catalog.BuiltIn
	attestor   nodeattestor.NodeAttestor
	configurer *configurer
}

func (r *repository) Plugins() map[string]catalog.PluginRepo {
	return map[string]catalog.PluginRepo{nodeattestor.V1{}.Type(): pluginRepo{r}}
}

func (r *repository) Services() []catalog.ServiceRepo {
	return []catalog.ServiceRepo{serviceRepo{r}}
}

type pluginRepo struct{ *repository }

func (r pluginRepo) Binder() any                      { return func(a nodeattestor.NodeAttestor) { r.attestor = a } }
func (r pluginRepo) Versions() []catalog.Version      { return []catalog.Version{attestorVersion{}} }
func (r pluginRepo) Clear()                           { r.attestor = nil }
func (r pluginRepo) Constraints() catalog.Constraints { return catalog.ExactlyOne() }
func (r pluginRepo) BuiltIns() []catalog.BuiltIn      { return r.builtIns }

type serviceRepo struct{ *repository }

func (r serviceRepo) Binder() any                 { return func(c *configurer) { r.configurer = c } }
func (r serviceRepo) Versions() []catalog.Version { return []catalog.Version{configurerVersion{}} }
func (r serviceRepo) Clear()                      { r.configurer = nil }

type attestorVersion struct{}

func (attestorVersion) New() catalog.Facade { return new(nodeattestor.V1) }
func (attestorVersion) Deprecated() bool    { return false }

type configurerVersion struct{}

func (configurerVersion) New() catalog.Facade { return new(configurer) }
func (configurerVersion) Deprecated() bool    { return false }

type configurer struct{ configv1.ConfigServiceClient }

func (*configurer) InitInfo(catalog.PluginInfo) {}
func (*configurer) InitLog(logrus.FieldLogger)  {}
