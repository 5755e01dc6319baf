package attestor

// policyConfig is the configuration as policies see it, data.gatehouse.config:
// the keys of plugin_data without the credentials, the blocks policy and cache,
// resource_graph, and how the database for claims is reached. Every key is always
// there, with its default, so that policies need not ask.
// policies/schemas/azure_msi_config.json describes it.
func (c azureMSIConfig) policyConfig() map[string]any {
	tenants := make(map[string]any, len(c.Tenants))
	for id, tenant := range c.Tenants {
		tenants[id] = map[string]any{
			"resource_id":     tenant.ResourceID,
			"subscription_id": tenant.SubscriptionID,
			"app_id":          tenant.AppID,
			"credential":      tenant.credential(),
		}
	}
	return map[string]any{
		"tenants":              tenants,
		"agent_path_template":  c.AgentPathTemplate,
		"cloud":                c.CloudName,
		"authority":            c.Cloud.Authority(),
		"signature_algorithms": list(c.SignatureAlgorithms),
		"cloud_timeout":        c.CloudTimeout.String(),
		"enforcement":          object(c.Enforcement),
		"claims":               c.Claims.policyConfig(),
	}
}

// credential is the key that says how Resource Manager is asked.
func (c azureTenantConfig) credential() string {
	switch {
	case c.AppSecret != secret{}:
		return "app_secret"
	case c.FederatedTokenFile != "":
		return "federated_token_file"
	}
	return "default"
}
