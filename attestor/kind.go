package attestor

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// Kind is one of the plugins that Gatehouse offers: what an evidence kind, its
// configuration and its policies have of their own.
type Kind struct {
	// name is the plugin's name, the selectors' type and the attestation type
	// that agents send. Stock agents know their plugin by SPIRE's name for it.
	name string

	// build makes what the plugin needs of its plugin_data, or reports every
	// problem at once. It reads files and changes nothing.
	build func(ctx context.Context, text string, h host) (built, []plugindata.Problem)

	// claims and facts, by name, read what was written as JSON in the form that
	// the collector has it in.
	claims func(text []byte) (any, error)
	facts  map[string]func(text []byte) (any, error)
}

// host is what a kind may use of its surroundings.
type host struct {
	env func(string) string // variables of the environment
	now func() time.Time
	log hclog.Logger
}

// Name is the plugin's name in SPIRE's configuration.
func (k Kind) Name() string { return k.name }

// built is what a kind makes of its plugin_data.
type built struct {
	collector    evidence.Collector
	policyConfig map[string]any // data.gatehouse.config
	policy       policySource
	shadow       *policySource // nil for none
	decisionLog  decisionLogConfig
	claims       claimsConfig
	cloudTimeout time.Duration // for the facts of one attestation
	limits       limits
	warnings     []string // what is allowed, and worth a second thought

	// policyTimeout bounds one evaluation of policy. Zero means rego's default, which a
	// machine that tests have overloaded can miss.
	policyTimeout time.Duration

	// release is called when the last attestation of this configuration is over
	// and there is another; nil for nothing.
	release func()

	// agentPath renders agent_path_template for one node, or returns "" while
	// that needs facts; nil when none is configured.
	agentPath func(claims any, facts map[string]any) (string, error)

	// templateFact is the fact that agent_path_template needs; empty for none.
	templateFact string
}

// AWSIID attests EC2 instances by their signed instance identity document.
func AWSIID() Kind {
	return Kind{
		name:   "aws_iid",
		build:  buildAWSIIDPlugin,
		claims: readAs[awsiid.Claims],
		facts: map[string]func([]byte) (any, error){
			"instance":         readAs[awsiid.Instance],
			"instance_profile": readAs[awsiid.InstanceProfile],
			"organization":     readAs[awsiid.Organization],
			"eks":              readAs[awsiid.ClusterMembership],
		},
	}
}

// AzureMSI attests Azure machines by the token of their managed identity.
func AzureMSI() Kind {
	return Kind{
		name:   "azure_msi",
		build:  buildAzureMSIPlugin,
		claims: readAs[azuremsi.Claims],
		facts: map[string]func([]byte) (any, error){
			"virtual_machine": readAs[azuremsi.VirtualMachine],
			"network":         readAs[azuremsi.Network],
		},
	}
}

// Kinds lists every plugin.
func Kinds() []Kind { return []Kind{AWSIID(), AzureMSI()} }

// KindNames lists the names of every plugin.
func KindNames() []string {
	var names []string
	for _, kind := range Kinds() {
		names = append(names, kind.Name())
	}
	return names
}

// KindNamed finds a plugin by its name.
func KindNamed(name string) (_ Kind, known bool) {
	for _, kind := range Kinds() {
		if kind.Name() == name {
			return kind, true
		}
	}
	return Kind{}, false
}
