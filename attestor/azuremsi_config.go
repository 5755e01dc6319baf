package attestor

import (
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// azureMSIConfig is the plugin_data of azure_msi, checked and with defaults filled
// in.
//
// Fields are exported for fmt's sake alone: it asks only exported fields how they
// want to be printed, and tenants have secrets.
type azureMSIConfig struct {
	// Tenants are those whose tokens are let in, by tenant ID in lower case. There
	// is at least one.
	Tenants map[string]azureTenantConfig

	AgentPathTemplate string // empty for none: the baseline's path is the built-in's

	// CloudName is one of azureClouds, that whose settings apply; Cloud is what
	// that, the authority and Resource Manager's address make.
	CloudName string
	Cloud     azuremsi.Cloud

	// SignatureAlgorithms are those that tokens may have.
	SignatureAlgorithms []string

	// CloudTimeout is for all of one attestation's cloud calls.
	CloudTimeout time.Duration

	// Enforcement has "deny", "warn" or "off" for rules.
	Enforcement map[string]string

	// ResourceGraph says whether Resource Graph is asked where many machines attest
	// together. Lifetimes are how old answers of Azure may be.
	ResourceGraph bool
	Lifetimes     azuremsi.Lifetimes

	// Policy is where policy comes from.
	Policy policySource

	// Shadow is where the shadow policy comes from; nil for none.
	Shadow *policySource

	// DecisionLog is where decisions are written to.
	DecisionLog decisionLogConfig

	// Claims say how attestations of one node are kept apart.
	Claims claimsConfig

	// Limits bound the work taken on at a time.
	Limits limits
}

// azureTenantConfig is what is configured for one tenant. AppSecret and
// FederatedTokenFile exclude each other; without either, AppID is empty and the
// default Azure credential asks Resource Manager.
type azureTenantConfig struct {
	ResourceID         string
	SubscriptionID     string // as written; empty for any
	AppID              string
	AppSecret          secret
	FederatedTokenFile string
}

const (
	defaultResourceID         = "https://management.azure.com/"
	defaultSignatureAlgorithm = "RS256"
	authorityHostVariable     = "AZURE_AUTHORITY_HOST" // as azidentity knows it
)

// buildAzureMSI makes the configuration of the text that SPIRE hands over, or
// tells everything that is wrong with it; then the configuration is of no use. It
// reads no files and calls nobody.
//
// An empty string means the same as no key, as for SPIRE's built-in plugin.
func buildAzureMSI(text string, env func(string) string) (azureMSIConfig, []plugindata.Problem) {
	o := plugindata.Parse(text)
	c := azureMSIConfig{
		Tenants:             buildAzureTenants(o),
		AgentPathTemplate:   textOr(o, "agent_path_template", ""),
		SignatureAlgorithms: []string{defaultSignatureAlgorithm},
		CloudTimeout:        cloudTimeout(o),
		Enforcement:         enforcement(o),
		ResourceGraph:       true,
		Lifetimes:           azureLifetimes(o),
		Policy:              buildPolicySource(o),
		Shadow:              buildShadowSource(o),
		DecisionLog:         decodeDecisionLog(o),
		Claims:              buildClaims(o),
		Limits:              buildLimits(o),
	}
	if wanted, ok := o.Bool("resource_graph"); ok {
		c.ResourceGraph = wanted
	}
	c.Cloud, c.CloudName = buildAzureCloud(o, env)
	if _, err := c.pathTemplate(); err != nil {
		o.Problem("agent_path_template", "%v", err)
	}
	if algorithms := names(o, "signature_algorithms", isSignatureAlgorithm, signatureAlgorithmWanted); algorithms != nil {
		c.SignatureAlgorithms = algorithms
		if len(algorithms) == 0 {
			o.Problem("signature_algorithms", "is empty, which would let no token in; remove it for %s", defaultSignatureAlgorithm)
		}
	}
	problems := o.Problems()
	if len(problems) > 0 {
		return azureMSIConfig{}, problems
	}
	return c, nil
}

// buildAzureTenants reads the tenants, whose IDs are compared without regard to
// case.
func buildAzureTenants(o *plugindata.Object) map[string]azureTenantConfig {
	block, ok := o.Object("tenants")
	switch {
	case !o.Has("tenants"):
		o.Problem("tenants", "is missing: name at least one tenant, by its ID")
		return nil
	case !ok:
		return nil
	}
	keys := block.Keys()
	switch {
	case len(keys) == 0:
		o.Problem("tenants", "is empty, which would let no machine in: name at least one tenant, by its ID")
	case len(keys) > azuremsi.MaxTenants:
		o.Problem("tenants", "must not have more than %d tenants", azuremsi.MaxTenants)
		return nil
	}
	tenants := make(map[string]azureTenantConfig, len(keys))
	for _, key := range keys {
		tenant, ok := block.Object(key)
		if !ok {
			continue
		}
		id, isID := lowerGUID(key)
		_, twice := tenants[id]
		switch {
		case !isID:
			block.Problem(key, "is no tenant ID, a GUID such as %q", sampleGUID)
		case twice:
			block.Problem(key, "is the same tenant as another one here, in another spelling")
		}
		tenants[id] = buildAzureTenant(tenant)
	}
	return tenants
}

// buildAzureTenant reads one tenant.
func buildAzureTenant(o *plugindata.Object) azureTenantConfig {
	c := azureTenantConfig{
		ResourceID:         textOr(o, "resource_id", defaultResourceID),
		SubscriptionID:     textOr(o, "subscription_id", ""),
		AppID:              textOr(o, "app_id", ""),
		AppSecret:          newSecret(textOr(o, "app_secret", "")),
		FederatedTokenFile: textOr(o, "federated_token_file", ""),
	}
	hasSecret, hasFile := c.AppSecret != secret{}, c.FederatedTokenFile != ""
	switch {
	case hasSecret && hasFile:
		o.Problem("federated_token_file", "excludes app_secret: an app has one or the other")
	case hasSecret && lacks(o, "app_id"):
		o.Problem("app_id", "is missing: app_secret needs it")
	case hasFile && lacks(o, "app_id"):
		o.Problem("app_id", "is missing: federated_token_file needs it")
	case c.AppID != "" && lacks(o, "app_secret") && lacks(o, "federated_token_file"):
		o.Problem("app_secret", "is missing, and so is federated_token_file: app_id needs one of them")
	}
	if hasSecret && lacks(o, "subscription_id") {
		o.Problem("subscription_id", "is missing: app_secret needs it, as for SPIRE's own plugin")
	}
	for key, id := range map[string]string{"subscription_id": c.SubscriptionID, "app_id": c.AppID} {
		if _, isID := lowerGUID(id); id != "" && !isID {
			o.Problem(key, "must be a GUID such as %q", sampleGUID)
		}
	}
	return c
}
