package attestor

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

func TestAzurePolicyConfig(t *testing.T) {
	full, problems := buildAzureMSI(`
		tenants {
			"9E85E111-1103-48FC-A933-9533FE47DE05" { resource_id = "api://gatehouse" subscription_id = "`+azureSub+`" app_id = "`+azureApp+`" app_secret = "hush" }
			"`+otherAzureTenant+`" { app_id = "`+azureApp+`" federated_token_file = "/token" }
		}
		agent_path_template = "/{{ .PluginName }}/{{ .PrincipalID }}" cloud = "usgovernment" signature_algorithms = ["PS256"] cloud_timeout = "5s"
		enforcement { tofu = "warn" }`, environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	tests := []struct {
		name   string
		config azureMSIConfig
		want   map[string]any
	}{
		{"defaults", azureDefaults(t, nil), map[string]any{
			"tenants": map[string]any{azureTenant: map[string]any{
				"resource_id": "https://management.azure.com/", "subscription_id": "", "app_id": "", "credential": "default",
			}},
			"agent_path_template":  "",
			"cloud":                "public",
			"authority":            "https://login.microsoftonline.com",
			"signature_algorithms": []any{"RS256"},
			"cloud_timeout":        "20s",
			"enforcement":          map[string]any{},
			"claims":               map[string]any{"backend": "memory", "claim_ttl": "30s"},
		}},
		{"full", full, map[string]any{
			"tenants": map[string]any{
				azureTenant: map[string]any{
					"resource_id": "api://gatehouse", "subscription_id": azureSub, "app_id": azureApp, "credential": "app_secret",
				},
				otherAzureTenant: map[string]any{
					"resource_id": "https://management.azure.com/", "subscription_id": "", "app_id": azureApp, "credential": "federated_token_file",
				},
			},
			"agent_path_template":  "/{{ .PluginName }}/{{ .PrincipalID }}",
			"cloud":                "usgovernment",
			"authority":            "https://login.microsoftonline.us",
			"signature_algorithms": []any{"PS256"},
			"cloud_timeout":        "5s",
			"enforcement":          map[string]any{"tofu": "warn"},
			"claims":               map[string]any{"backend": "memory", "claim_ttl": "30s"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.config.policyConfig()
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%v\nwant\n%v", got, tt.want)
			}
			schematest.Config(t, "azure_msi", got)
		})
	}
}

// TestAzurePolicyConfigSchema holds policyConfig and its schema together, with
// what a tenant has.
func TestAzurePolicyConfigSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "policies", "schemas", "azure_msi_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema configSchema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	config := azureDefaults(t, nil).policyConfig()
	compareSchema(t, "config", schema, config, slices.Collect(maps.Keys(config)))

	var tenants struct {
		Properties struct {
			Tenants struct{ AdditionalProperties configSchema }
		}
	}
	if err := json.Unmarshal(text, &tenants); err != nil {
		t.Fatal(err)
	}
	tenant := config["tenants"].(map[string]any)[azureTenant]
	compareSchema(t, "config.tenants[]", tenants.Properties.Tenants.AdditionalProperties, tenant, nil)
}

// TestAzureTenantOfPolicyData adds a tenant by a file beside the policies, as a
// security team does. A file that makes no sense adds none.
func TestAzureTenantOfPolicyData(t *testing.T) {
	refused := []rego.Violation{
		{Rule: "resource_id", Msg: "the token is for api://gatehouse, not for <undefined>"},
		{Rule: "tenant", Msg: "tenant " + otherAzureTenant + " is not configured, in plugin_data or (once) in policy data"},
	}
	for name, tc := range map[string]struct {
		data string
		want []rego.Violation
	}{
		"no file":         {"", refused},
		"the tenant":      {`{"tenants": {"` + strings.ToUpper(otherAzureTenant) + `": {"resource_id": "api://gatehouse"}}}`, nil},
		"another tenant":  {`{"tenants": {"` + azureTenant + `": {"resource_id": "api://gatehouse"}}}`, refused},
		"two spellings":   {`{"tenants": {"` + otherAzureTenant + `": {}, "` + strings.ToUpper(otherAzureTenant) + `": {}}}`, refused},
		"a list":          {`{"tenants": ["` + otherAzureTenant + `"]}`, refused},
		"list of objects": {`{"tenants": [{"` + otherAzureTenant + `": {}}]}`, refused},
		"other data":      {`{"tenant": {"` + otherAzureTenant + `": {}}}`, refused},
		"a text":          {`{"tenants": {"` + otherAzureTenant + `": "api://gatehouse"}}`, refused},
		"the wrong place": {`{"gatehouse": {"azure_msi": {"tenants": {"` + otherAzureTenant + `": {}}}}}`, refused},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := rego.New(t.Context(), rego.Options{
				Plugin: "azure_msi", Policy: baselineWith(t, "gatehouse/azure_msi/data.json", tc.data), Config: azureDefaults(t, nil).policyConfig(),
			})
			if err != nil {
				t.Fatal(err)
			}
			admission, err := engine.Admit(t.Context(), rego.Input{
				Plugin: "azure_msi", TrustDomain: "example.org", Time: time.Now(),
				Evidence: map[string]any{
					"tenant_id": otherAzureTenant, "principal_id": azurePrincipal, "object_id": azurePrincipal, "audience": "api://gatehouse",
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := admission.Denials(); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// baselineWith is the baseline with a file of that content, if it has any.
func baselineWith(t *testing.T, name, content string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(policies.Baseline(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(policies.Baseline(), name)
		files[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if content != "" {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return files
}
