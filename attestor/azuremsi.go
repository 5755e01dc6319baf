package attestor

import (
	"context"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// buildAzureMSIPlugin makes the azure_msi collector of its plugin_data. It calls
// nobody, so that it works where nobody can be reached: keys and credentials are
// asked for when a node first needs them.
func buildAzureMSIPlugin(_ context.Context, text string, h host) (built, []plugindata.Problem) {
	config, problems := buildAzureMSI(text, h.env)
	if len(problems) > 0 {
		return built{}, problems
	}
	return config.plugin(config.collectorOptions(h))
}

// collectorOptions are what the configuration says to the collector.
func (c azureMSIConfig) collectorOptions(h host) azuremsi.Options {
	tenants := make(map[string]azuremsi.TenantCredentials, len(c.Tenants))
	for id, tenant := range c.Tenants {
		tenants[id] = azuremsi.TenantCredentials{
			SubscriptionID:     tenant.SubscriptionID,
			AppID:              tenant.AppID,
			AppSecret:          tenant.AppSecret.reveal(),
			FederatedTokenFile: tenant.FederatedTokenFile,
		}
	}
	return azuremsi.Options{
		Cloud:      c.Cloud,
		Algorithms: c.SignatureAlgorithms,
		Tenants:    tenants,
		Lifetimes:  c.Lifetimes,

		WithoutResourceGraph: !c.ResourceGraph,
		Log:                  func(message string) { h.log.Warn(message) },
		Now:                  h.now,
	}
}

// plugin makes what the attestor needs, with a collector of those options.
func (c azureMSIConfig) plugin(options azuremsi.Options) (built, []plugindata.Problem) {
	collector, err := azuremsi.New(options)
	if err != nil {
		return built{}, []plugindata.Problem{{Msg: err.Error()}}
	}
	template, err := c.pathTemplate()
	if err != nil {
		return built{}, []plugindata.Problem{{Key: "agent_path_template", Msg: err.Error()}}
	}
	result := built{collector: collector, policyConfig: c.policyConfig(), policy: c.Policy, shadow: c.Shadow, decisionLog: c.DecisionLog, claims: c.Claims, limits: c.Limits, cloudTimeout: c.CloudTimeout, release: collector.Close}
	if template != nil {
		result.agentPath = func(claims any, _ map[string]any) (string, error) {
			return template.Render(agentpath.Fields{Values: azurePathValues(claims.(azuremsi.Claims))})
		}
	}
	return result, nil
}
