package attestor

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

const (
	azureTenant      = "9e85e111-1103-48fc-a933-9533fe47de05"
	otherAzureTenant = "dd14e835-679a-4703-b4de-8f00a20c732e"
	azureApp         = "6f3c1d5e-0d8e-4f53-9a53-4f5dd8f4d0a1"
	azureSub         = "0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11"
)

// azureDefaults is the configuration of a plugin_data with nothing but a tenant,
// with one change.
func azureDefaults(t *testing.T, change func(*azureMSIConfig)) azureMSIConfig {
	t.Helper()
	c := azureMSIConfig{
		Tenants:             map[string]azureTenantConfig{azureTenant: {ResourceID: "https://management.azure.com/"}},
		CloudName:           "public",
		Cloud:               azureCloud(t, azuremsi.CloudConfig{}),
		SignatureAlgorithms: []string{"RS256"},
		CloudTimeout:        20 * time.Second,
		Limits:              defaultLimits(),
		ResourceGraph:       true,
		Lifetimes:           azuremsi.DefaultLifetimes(),
		Claims:              claimsConfig{Backend: "memory", TTL: 30 * time.Second},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func azureCloud(t *testing.T, config azuremsi.CloudConfig) azuremsi.Cloud {
	t.Helper()
	cloud, err := azuremsi.NewCloud(config)
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

func TestBuildAzureMSI(t *testing.T) {
	const tenant = `tenants { "` + azureTenant + `" {} } `
	everything := azureDefaults(t, func(c *azureMSIConfig) {
		c.Tenants = map[string]azureTenantConfig{
			azureTenant: {"http://example.org/app/", strings.ToUpper(azureSub), azureApp, newSecret("hush"), ""},
			otherAzureTenant: {
				"https://management.azure.com/", "", azureApp, secret{}, "/var/run/secrets/azure/${token}",
			},
		}
		c.AgentPathTemplate = "/{{ .PluginName }}/{{ .PrincipalID }}"
		c.CloudName = "usgovernment"
		c.Cloud = azureCloud(t, azuremsi.CloudConfig{
			Name: "usgov", Authority: "https://login.example.org",
			ResourceManager: "https://arm.example.org", ResourceManagerAudience: "https://arm.example.org/audience",
		})
		c.SignatureAlgorithms = []string{"RS256", "PS256"}
		c.CloudTimeout = 5 * time.Minute
		c.Enforcement = map[string]string{"tofu": "deny", "token_kind": "warn", "our_own": "off"}
		c.Policy = policySource{Directory: "/etc/gatehouse/policy"}
		c.Claims.TTL = time.Minute
	})
	tests := []goodText[azureMSIConfig]{
		{"a tenant", tenant, nil, azureDefaults(t, nil)},
		{"empty strings", `tenants { "` + azureTenant + `" { resource_id = "" subscription_id = "" app_id = "" app_secret = "" federated_token_file = "" } }
			agent_path_template = "" cloud = "" authority = "" resource_manager = "" resource_manager_audience = "" cloud_timeout = ""`, nil, azureDefaults(t, nil)},
		{"everything", `
			tenants {
				"` + strings.ToUpper(azureTenant) + `" {
					resource_id = "http://example.org/app/"
					subscription_id = "` + strings.ToUpper(azureSub) + `"
					app_id = "` + azureApp + `"
					app_secret = "hush"
				}
				"` + otherAzureTenant + `" = { app_id = "` + azureApp + `" federated_token_file = "/var/run/secrets/azure/${token}" }
			}
			agent_path_template = "/{{ .PluginName }}/{{ .PrincipalID }}"
			cloud = "usgovernment"
			authority = "https://login.example.org/"
			resource_manager = "https://arm.example.org/"
			resource_manager_audience = "https://arm.example.org/audience"
			signature_algorithms = ["RS256", "PS256"]
			cloud_timeout = "5m"
			claims { claim_ttl = "1m" }
			enforcement { tofu = "deny" token_kind = "warn" our_own = "off" }
			policy { directory = "/etc/gatehouse/policy" }`,
			map[string]string{"AZURE_AUTHORITY_HOST": "https://login.example.com"}, everything},
		{"everything in JSON", `{
			"tenants": [{
				"` + strings.ToUpper(azureTenant) + `": [{
					"resource_id": "http://example.org/app/",
					"subscription_id": "` + strings.ToUpper(azureSub) + `",
					"app_id": "` + azureApp + `",
					"app_secret": "hush",
					"federated_token_file": null
				}],
				"` + otherAzureTenant + `": { "app_id": "` + azureApp + `", "federated_token_file": "/var/run/secrets/azure/${token}" }
			}],
			"agent_path_template": "/{{ .PluginName }}/{{ .PrincipalID }}",
			"cloud": "usgovernment",
			"authority": "https://login.example.org",
			"resource_manager": "https://arm.example.org",
			"resource_manager_audience": "https://arm.example.org/audience",
			"signature_algorithms": ["RS256", "PS256"],
			"cloud_timeout": "5m",
			"enforcement": { "tofu": "deny", "token_kind": "warn", "our_own": "off" },
			"claims": { "claim_ttl": "1m" },
			"policy": { "directory": "/etc/gatehouse/policy", "baseline": true }
		}`, nil, everything},
		{"subscription with the default credential", `tenants { "` + azureTenant + `" { subscription_id = "` + azureSub + `" } }`, nil,
			azureDefaults(t, func(c *azureMSIConfig) {
				c.Tenants[azureTenant] = azureTenantConfig{ResourceID: "https://management.azure.com/", SubscriptionID: azureSub}
			})},
		{"cloud: public", tenant + `cloud = "public"`, nil, azureDefaults(t, nil)},
		{"cloud: China", tenant + `cloud = "china"`, map[string]string{"AZURE_AUTHORITY_HOST": "https://login.example.com"}, azureDefaults(t, func(c *azureMSIConfig) {
			c.CloudName, c.Cloud = "china", azureCloud(t, azuremsi.CloudConfig{Name: "china"})
		})},
		{"cloud by its authority", tenant + `authority = "https://login.microsoftonline.us"`, nil, azureDefaults(t, func(c *azureMSIConfig) {
			c.CloudName, c.Cloud = "usgovernment", azureCloud(t, azuremsi.CloudConfig{Name: "usgov"})
		})},
		{"cloud by the environment", tenant, map[string]string{"AZURE_AUTHORITY_HOST": "https://login.partner.microsoftonline.cn/"}, azureDefaults(t, func(c *azureMSIConfig) {
			c.CloudName, c.Cloud = "china", azureCloud(t, azuremsi.CloudConfig{Name: "china"})
		})},
		{"private authority of the environment", tenant, map[string]string{"AZURE_AUTHORITY_HOST": "https://login.example.com/"}, azureDefaults(t, func(c *azureMSIConfig) {
			c.Cloud = azureCloud(t, azuremsi.CloudConfig{Authority: "https://login.example.com"})
		})},
		{"authority on loopback", tenant + `authority = "http://127.0.0.1:8080"`, nil, azureDefaults(t, func(c *azureMSIConfig) {
			c.Cloud = azureCloud(t, azuremsi.CloudConfig{Authority: "http://127.0.0.1:8080"})
		})},
	}
	testGoodTexts(t, buildAzureMSI, tests)
}

func TestBuildAzureMSIRefuses(t *testing.T) {
	const (
		tenant   = `tenants { "` + azureTenant + `" {} } `
		head     = "tenants {\n\"" + azureTenant + "\" {\n"
		path     = "tenants." + azureTenant
		guid     = `must be a GUID such as "9e85e111-1103-48fc-a933-9533fe47de05"`
		noID     = `is no tenant ID, a GUID such as "9e85e111-1103-48fc-a933-9533fe47de05"`
		another  = "is that of another cloud; remove authority or cloud"
		known    = "known here: app_id, app_secret, federated_token_file, resource_id, subscription_id"
		template = "for a node with map[Issuer:https://sts.windows.net/9e85e111-1103-48fc-a933-9533fe47de05/ PrincipalID:853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a Subject:853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a TenantID:9e85e111-1103-48fc-a933-9533fe47de05]: "
	)
	tests := []badText{
		{"nothing", "", nil, []problem{{0, "tenants", "is missing: name at least one tenant, by its ID"}}},
		{"no tenants", "tenants {}", nil, []problem{{1, "tenants", "is empty, which would let no machine in: name at least one tenant, by its ID"}}},
		{"a list of tenants", `tenants = ["` + azureTenant + `"]`, nil, []problem{{1, "tenants", "want an object, not a list"}}},
		{"tenant: no GUID", "tenants {\n\"contoso.onmicrosoft.com\" {}\n\"{" + azureTenant + "}\" {}\n\"9e85e11111034 8fca9339533fe47de05\" {}\n}", nil, []problem{
			{2, `tenants."contoso.onmicrosoft.com"`, noID},
			{3, `tenants."{` + azureTenant + `}"`, noID},
			{4, `tenants."9e85e11111034 8fca9339533fe47de05"`, noID},
		}},
		{"tenant: two spellings", "tenants {\n\"" + azureTenant + "\" {}\n\"" + strings.ToUpper(azureTenant) + "\" {}\n}", nil, []problem{
			{3, "tenants." + strings.ToUpper(azureTenant), "is the same tenant as another one here, in another spelling"}}},
		{"tenant: a text", "tenants {\n\"" + azureTenant + "\" = \"https://example.org\"\n}", nil, []problem{{2, path, "want an object, not a string"}}},
		{"tenant: null", "{\"tenants\": {\n\"" + azureTenant + "\": null}}", nil, []problem{{2, path, "is null: want an object, or no such key"}}},
		{"unknown keys", head + "resource = \"x\"\nuse_msi = true\nregion = 1\n}\n}\nclouds = \"public\"", nil, []problem{
			{3, path + ".resource", `unknown key; did you mean "resource_id"?`},
			{4, path + ".use_msi", "unknown key; " + known},
			{5, path + ".region", "unknown key; " + known},
			{8, "clouds", `unknown key; did you mean "cloud"?`},
		}},
		{"secret alone", head + "app_secret = \"hush\"\n}\n}", nil, []problem{
			{2, path + ".app_id", "is missing: app_secret needs it"},
			{2, path + ".subscription_id", "is missing: app_secret needs it, as for SPIRE's own plugin"},
		}},
		{"secret without a subscription", head + "app_secret = \"hush\"\napp_id = \"" + azureApp + "\"\n}\n}", nil, []problem{
			{2, path + ".subscription_id", "is missing: app_secret needs it, as for SPIRE's own plugin"}}},
		{"app ID alone", head + "app_id = \"" + azureApp + "\"\n}\n}", nil, []problem{
			{2, path + ".app_secret", "is missing, and so is federated_token_file: app_id needs one of them"}}},
		{"app ID and subscription", head + "app_id = \"" + azureApp + "\"\nsubscription_id = \"" + azureSub + "\"\napp_secret = \"\"\n}\n}", nil, []problem{
			{5, path + ".app_secret", "is missing, and so is federated_token_file: app_id needs one of them"}}},
		{"file alone", head + "federated_token_file = \"/f\"\n}\n}", nil, []problem{
			{2, path + ".app_id", "is missing: federated_token_file needs it"}}},
		{"file and secret", head + "app_id = \"" + azureApp + "\"\nsubscription_id = \"" + azureSub + "\"\napp_secret = \"hush\"\nfederated_token_file = \"/f\"\n}\n}", nil, []problem{
			{6, path + ".federated_token_file", "excludes app_secret: an app has one or the other"}}},
		{"IDs that are none", head + "app_id = \"gatehouse\"\nsubscription_id = \"/subscriptions/" + azureSub + "\"\napp_secret = \"hush\"\n}\n}", nil, []problem{
			{3, path + ".app_id", guid},
			{4, path + ".subscription_id", guid},
		}},
		{"wrong types", head + "app_id = [1]\nsubscription_id = true\napp_secret = {}\nresource_id = []\n}\n}", nil, []problem{
			{3, path + ".app_id", "want a string, not a list"},
			{4, path + ".subscription_id", "want a string, not true or false"},
			{5, path + ".app_secret", "want a string, not an object"},
			{6, path + ".resource_id", "want a string, not a list"},
		}},
		{"cloud", tenant + "\ncloud = \"AzureCloud\"", nil, []problem{{2, "cloud", "must be public, usgovernment or china"}}},
		{"authority: plain HTTP", tenant + "\nauthority = \"http://login.example.org\"", nil, []problem{{2, "authority", endpointWanted}}},
		{"authority: path", tenant + "\nauthority = \"https://login.example.org/common\"", nil, []problem{{2, "authority", endpointWanted}}},
		{"authority of another cloud", tenant + "\ncloud = \"china\"\nauthority = \"https://login.microsoftonline.com\"", nil, []problem{{3, "authority", another}}},
		{"authority of the environment", tenant, map[string]string{"AZURE_AUTHORITY_HOST": "login.example.org"}, []problem{
			{0, "authority", "is not there, and AZURE_AUTHORITY_HOST " + endpointWanted}}},
		{"Resource Manager", tenant + "\nresource_manager = \"http://example.org\"\nauthority = \"ftp://example.org\"", nil, []problem{
			{2, "resource_manager", endpointWanted},
			{3, "authority", endpointWanted},
		}},
		{"audience alone", tenant + "\nresource_manager_audience = \"https://example.org\"", nil, []problem{
			{2, "resource_manager_audience", "needs resource_manager"}}},
		{"algorithms", tenant + "\nsignature_algorithms = [\"RS256\", \"HS256\", \"none\", \"RS256\", \"rs256\"]", nil, []problem{
			{2, "signature_algorithms[1]", signatureAlgorithmWanted},
			{2, "signature_algorithms[2]", signatureAlgorithmWanted},
			{2, "signature_algorithms[4]", signatureAlgorithmWanted},
		}},
		{"no algorithms", tenant + "\nsignature_algorithms = []", nil, []problem{
			{2, "signature_algorithms", "is empty, which would let no token in; remove it for RS256"}}},
		{"timeout", tenant + "\ncloud_timeout = \"999ms\"", nil, []problem{{2, "cloud_timeout", "must be between 1s and 5m0s"}}},
		{"template of no one machine", tenant + "\nagent_path_template = \"/{{ .PluginName }}/{{ .TenantID }}\"", nil, []problem{
			{2, "agent_path_template", template + `agent path "/azure_msi/9e85e111-1103-48fc-a933-9533fe47de05" has no .PrincipalID in it: another machine could have the same`}}},
		{"template with tags", tenant + "\nagent_path_template = \"/{{ .PluginName }}/{{ .Tags.x }}/{{ .PrincipalID }}\"", nil, []problem{
			{2, "agent_path_template", "has .Tags, which azure_msi does not have"}}},
		{"template of one token", tenant + "\nagent_path_template = \"/{{ .PluginName }}/{{ .PrincipalID }}/{{ .IssuedAt }}\"", nil, []problem{
			{2, "agent_path_template", template + `template: agent_path_template:1:41: executing "agent_path_template" at <.IssuedAt>: map has no entry for key "IssuedAt"`}}},
		{"enforcement", tenant + "\nenforcement { tofu = \"Deny\" }", nil, []problem{{2, "enforcement.tofu", `must be "deny", "warn" or "off"`}}},
	}
	testBadTexts(t, buildAzureMSI, tests)
}

// TestBuildAzureMSIOfSPIRE takes the reference's sample as SPIRE really hands it
// over.
func TestBuildAzureMSIOfSPIRE(t *testing.T) {
	got, problems := buildAzureMSI(sampleAzureConfig(t), environment(nil))
	want := azureDefaults(t, func(c *azureMSIConfig) {
		c.Tenants[otherAzureTenant] = azureTenantConfig{ResourceID: "http://example.org/app/"}
	})
	if len(problems) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nand problems %v, want\n%+v", got, problems, want)
	}
}

func TestAzurePathTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"/{{ .PluginName }}/{{ .TenantID }}/{{ .PrincipalID }}":               "/spire/agent/azure_msi/" + azureTenant + "/" + azureApp,
		"/{{ .PluginName }}/{{ .Issuer | sha256sum }}/{{ .PrincipalID }}":     "/spire/agent/azure_msi/675a65efb0978a2482f7241df6edd4fe25ebea7767a4636a62d4ff1449d853fc/" + azureApp,
		"/{{ .PluginName }}/{{ .Subject }}/{{ .PrincipalID }}":                "/spire/agent/azure_msi/" + azureApp + "/" + azureApp,
		"/{{ .PluginName }}/{{ .TenantID | trunc 8 }}-{{ .PrincipalID }}/msi": "/spire/agent/azure_msi/9e85e111-" + azureApp + "/msi",
	} {
		t.Run(text, func(t *testing.T) {
			template, err := azureMSIConfig{AgentPathTemplate: text}.pathTemplate()
			if err != nil {
				t.Fatal(err)
			}
			got, err := template.Render(agentpath.Fields{Values: azurePathValues(azuremsi.Claims{
				TenantID: azureTenant, PrincipalID: azureApp, Issuer: "https://sts.windows.net/" + azureTenant + "/",
			})})
			if err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}
