package attestor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func TestAWSPolicyConfig(t *testing.T) {
	full, problems := buildAWSIID(`
		access_key_id = "id" secret_access_key = "hush" assume_role = "r" account_ids_for_local_validation = ["111111111111"]
		verify_organization { management_account_id = "123456789012" assume_org_role = "reader" }
		validate_eks_cluster_membership { eks_cluster_names = ["a"] }
		enforcement { tofu = "warn" }`, environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	tests := []struct {
		name   string
		config awsIIDConfig
		want   map[string]any
	}{
		{"defaults", awsDefaults(nil), map[string]any{
			"partition":                          "aws",
			"assume_role":                        "",
			"skip_block_device":                  false,
			"disable_instance_profile_selectors": false,
			"account_ids_for_local_validation":   []any{},
			"agent_path_template":                "",
			"identity_document_certificates":     "",
			"cloud_timeout":                      "20s",
			"allowed_account_ids":                []any{},
			"enforcement":                        map[string]any{},
			"claims":                             map[string]any{"backend": "memory", "claim_ttl": "30s"},
		}},
		{"full", full, map[string]any{
			"partition":                          "aws",
			"assume_role":                        "r",
			"skip_block_device":                  false,
			"disable_instance_profile_selectors": false,
			"account_ids_for_local_validation":   []any{"111111111111"},
			"agent_path_template":                "",
			"identity_document_certificates":     "",
			"cloud_timeout":                      "20s",
			"allowed_account_ids":                []any{},
			"enforcement":                        map[string]any{"tofu": "warn"},
			"claims":                             map[string]any{"backend": "memory", "claim_ttl": "30s"},
			"verify_organization": map[string]any{
				"management_account_id":     "123456789012",
				"management_account_region": "us-west-2",
				"assume_org_role":           "reader",
				"org_account_map_ttl":       "3m0s",
				"account_list_file":         "",
			},
			"validate_eks_cluster_membership": map[string]any{"eks_cluster_names": []any{"a"}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.config.policyConfig(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%v\nwant\n%v", got, tt.want)
			}
		})
	}
}

// configSchema is as much of JSON Schema as the configuration's schema uses.
type configSchema struct {
	Type                 string
	Description          string
	Required             []string
	Properties           map[string]configSchema
	AdditionalProperties any
	Items                *configSchema
}

// TestAWSPolicyConfigSchema holds policyConfig and the schema that policies are
// checked against together: the same keys, of the same types, required when they
// are always there.
func TestAWSPolicyConfigSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "policies", "schemas", "aws_iid_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema configSchema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	full := awsDefaults(func(c *awsIIDConfig) {
		c.AccountIDsForLocalValidation, c.AllowedAccountIDs = []string{"111111111111"}, []string{"111111111111"}
		c.VerifyOrganization = &organizationConfig{}
		c.ValidateEKSClusterMembership = &eksConfig{ClusterNames: []string{"a"}}
	}).policyConfig()
	always := awsDefaults(nil).policyConfig()
	var required []string
	for key := range always {
		required = append(required, key)
	}
	compareSchema(t, "config", schema, full, required)
}

func compareSchema(t *testing.T, path string, schema configSchema, value any, required []string) {
	t.Helper()
	if schema.Description == "" {
		t.Errorf("%s: the schema has no description", path)
	}
	switch v := value.(type) {
	case string, bool:
		if want := map[bool]string{true: "boolean", false: "string"}[v == true || v == false]; schema.Type != want {
			t.Errorf("%s: the schema says %q, the value is a %s", path, schema.Type, want)
		}
	case []any:
		if schema.Type != "array" || schema.Items == nil || len(v) == 0 {
			t.Fatalf("%s: the schema says %q, the value is %v", path, schema.Type, v)
		}
		compareSchema(t, path+"[]", *schema.Items, v[0], nil)
	case map[string]any:
		if schema.Type != "object" {
			t.Errorf("%s: the schema says %q, the value is an object", path, schema.Type)
		}
		if _, open := schema.AdditionalProperties.(map[string]any); open {
			return // names that operators choose
		}
		if schema.AdditionalProperties != false {
			t.Errorf("%s: the schema lets other keys pass", path)
		}
		if required == nil {
			for key := range v {
				required = append(required, key)
			}
		}
		slices.Sort(required)
		slices.Sort(schema.Required)
		if !slices.Equal(required, schema.Required) {
			t.Errorf("%s: the schema requires %v, always there are %v", path, schema.Required, required)
		}
		for key := range schema.Properties {
			if _, there := v[key]; !there {
				t.Errorf("%s: the schema has %s, the configuration has not", path, key)
			}
		}
		for key, member := range v {
			property, there := schema.Properties[key]
			if !there {
				t.Errorf("%s: the configuration has %s, the schema has not", path, key)
				continue
			}
			compareSchema(t, path+"."+key, property, member, nil)
		}
	default:
		t.Errorf("%s: unexpected %T", path, value)
	}
}
