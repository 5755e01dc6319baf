package attestor

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

// awsDefaults is the configuration of an empty plugin_data, with one change.
func awsDefaults(change func(*awsIIDConfig)) awsIIDConfig {
	c := awsIIDConfig{
		Partition:    "aws",
		CloudTimeout: 20 * time.Second,
		Limits:       defaultLimits(),
		Lifetimes:    awsiid.DefaultLifetimes(),
		Claims:       claimsConfig{Backend: "memory", TTL: 30 * time.Second},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func TestBuildAWSIID(t *testing.T) {
	everything := awsIIDConfig{
		Partition:                       "aws-us-gov",
		AccessKeyID:                     newSecret("AKIAEXAMPLE"),
		SecretAccessKey:                 newSecret("hush"),
		AssumeRole:                      "path/of/it/spire-server-delegate",
		SkipBlockDevice:                 true,
		DisableInstanceProfileSelectors: true,
		AccountIDsForLocalValidation:    []string{"111111111111", "012345678901"},
		AgentPathTemplate:               "/{{ .PluginName }}/{{ .InstanceID }}",
		VerifyOrganization: &organizationConfig{
			ManagementAccountID:     "123456789012",
			ManagementAccountRegion: "us-gov-west-1",
			AssumeOrgRole:           "reader",
			OrgAccountMapTTL:        90 * time.Second,
		},
		ValidateEKSClusterMembership: &eksConfig{ClusterNames: []string{"production", "staging"}},
		IdentityDocumentCertificates: "/etc/gatehouse/${region}",
		CloudTimeout:                 5 * time.Minute,
		Limits:                       defaultLimits(),
		Lifetimes:                    awsiid.DefaultLifetimes(),
		AllowedAccountIDs:            []string{"111111111111"},
		Enforcement:                  map[string]string{"block_device": "warn", "our_own": "off", "tofu": "deny"},
		Policy:                       policySource{Directory: "/etc/gatehouse/policy", WithoutBaseline: true},
		Claims:                       claimsConfig{Backend: "memory", TTL: time.Minute},
	}
	tests := []goodText[awsIIDConfig]{
		{"nothing", "", nil, awsDefaults(nil)},
		{"braces", "{}", nil, awsDefaults(nil)},
		{"empty strings", `access_key_id = "" secret_access_key = "" assume_role = "" partition = "" agent_path_template = "" cloud_timeout = ""
			identity_document_certificates = ""`, nil, awsDefaults(nil)},
		{"everything", `
			partition = "aws-us-gov"
			access_key_id = "AKIAEXAMPLE"
			secret_access_key = "hush"
			assume_role = "path/of/it/spire-server-delegate"
			skip_block_device = true
			disable_instance_profile_selectors = "true"
			account_ids_for_local_validation = ["111111111111", 012345678901]
			agent_path_template = "/{{ .PluginName }}/{{ .InstanceID }}"
			verify_organization {
				management_account_id = 123456789012
				management_account_region = "us-gov-west-1"
				assume_org_role = "reader"
				org_account_map_ttl = "90s"
			}
			validate_eks_cluster_membership = { eks_cluster_names = ["production", "staging"] }
			identity_document_certificates = "/etc/gatehouse/${region}"
			cloud_timeout = "5m"
			allowed_account_ids = ["111111111111"]
			claims { backend = "memory" claim_ttl = "1m" }
			enforcement { block_device = "warn" our_own = "off" tofu = "deny" }
			policy { directory = "/etc/gatehouse/policy" baseline = false }`, nil, everything},
		{"everything in JSON", `{
			"partition": "aws-us-gov",
			"access_key_id": "AKIAEXAMPLE",
			"secret_access_key": "hush",
			"assume_role": "path/of/it/spire-server-delegate",
			"skip_block_device": true,
			"disable_instance_profile_selectors": true,
			"account_ids_for_local_validation": ["111111111111", "012345678901"],
			"agent_path_template": "/{{ .PluginName }}/{{ .InstanceID }}",
			"verify_organization": [{
				"management_account_id": "123456789012",
				"management_account_region": "us-gov-west-1",
				"assume_org_role": "reader",
				"account_list_file": null,
				"org_account_map_ttl": "90s"
			}],
			"validate_eks_cluster_membership": { "eks_cluster_names": ["production", "staging"] },
			"identity_document_certificates": "/etc/gatehouse/${region}",
			"cloud_timeout": "5m",
			"allowed_account_ids": ["111111111111"],
			"enforcement": { "block_device": "warn", "our_own": "off", "tofu": "deny" },
			"claims": { "claim_ttl": "60s" },
			"policy": [{ "directory": "/etc/gatehouse/policy", "baseline": false }]
		}`, nil, everything},
		{"organization: defaults", `verify_organization { management_account_id = "123456789012" assume_org_role = "reader" org_account_map_ttl = "" }`, nil,
			awsDefaults(func(c *awsIIDConfig) {
				c.VerifyOrganization = &organizationConfig{"123456789012", "us-west-2", "reader", 3 * time.Minute, ""}
			})},
		{"organization: least TTL", `verify_organization { management_account_id = "123456789012" assume_org_role = "reader" org_account_map_ttl = "1m" }`, nil,
			awsDefaults(func(c *awsIIDConfig) {
				c.VerifyOrganization = &organizationConfig{"123456789012", "us-west-2", "reader", time.Minute, ""}
			})},
		{"organization: file", `verify_organization { account_list_file = "/etc/accounts.json" org_account_map_ttl = "1h" }`, nil,
			awsDefaults(func(c *awsIIDConfig) {
				c.VerifyOrganization = &organizationConfig{OrgAccountMapTTL: time.Hour, AccountListFile: "/etc/accounts.json"}
			})},
		{"credentials of the environment", "", map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"},
			awsDefaults(func(c *awsIIDConfig) {
				c.AccessKeyID, c.SecretAccessKey, c.SessionToken = newSecret("id"), newSecret("key"), newSecret("token")
			})},
		{"credentials over those of the environment", `access_key_id = "own" secret_access_key = "hush"`,
			map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"},
			awsDefaults(func(c *awsIIDConfig) { c.AccessKeyID, c.SecretAccessKey = newSecret("own"), newSecret("hush") })},
		{"half of the credentials from the environment", `access_key_id = "own"`,
			map[string]string{"AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"},
			awsDefaults(func(c *awsIIDConfig) { c.AccessKeyID, c.SecretAccessKey = newSecret("own"), newSecret("key") })},
		{"a session token alone", "", map[string]string{"AWS_SESSION_TOKEN": "token"}, awsDefaults(nil)},
	}
	for _, partition := range strings.Fields("aws aws-cn aws-us-gov aws-iso aws-iso-b aws-iso-e aws-iso-f aws-eusc") {
		tests = append(tests, goodText[awsIIDConfig]{partition, `partition = "` + partition + `"`, nil, awsDefaults(func(c *awsIIDConfig) { c.Partition = partition })})
	}
	testGoodTexts(t, buildAWSIID, tests)
}

func TestBuildAWSIIDRefuses(t *testing.T) {
	const (
		noPolicyDirectory = "is missing: name the directory with your policies, or a bundle; for the baseline alone remove the block policy"

		partitions  = "must be aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f or aws-eusc"
		known       = "known here: access_key_id, account_ids_for_local_validation, agent_path_template, allowed_account_ids, assume_role, cache, claims, cloud_timeout, decision_log, disable_instance_profile_selectors, enforcement, identity_document_certificates, limits, partition, policy, secret_access_key, shadow, skip_block_device, validate_eks_cluster_membership, verify_organization"
		missingOrg  = "is missing: verify_organization needs it, or account_list_file; to verify no organization remove the block"
		exclusive   = "excludes account_list_file: the accounts come from a file or from Organizations"
		missingEKS  = "is missing: name the clusters; to ask for no cluster remove the block validate_eks_cluster_membership"
		emptyEKS    = "is empty, which would let no node in; to ask for no cluster remove the block validate_eks_cluster_membership"
		organizable = "management_account_id = \"123456789012\"\nassume_org_role = \"reader\"\n"
	)
	tests := []badText{
		{"syntax", "partition = \"aws\"\nverify_organization {", nil, []problem{{2, "", "what is opened in this line is never closed"}}},
		{"partition", `partition = "aws-mars"`, nil, []problem{{1, "partition", partitions}}},
		{"unknown keys", "skip_block_devise = true\nverify_organization {\n" + organizable + "org_account_map_tll = \"3m\"\n}\nmax_age = \"1h\"", nil, []problem{
			{1, "skip_block_devise", `unknown key; did you mean "skip_block_device"?`},
			{5, "verify_organization.org_account_map_tll", `unknown key; did you mean "org_account_map_ttl"?`},
			{7, "max_age", "unknown key; " + known},
		}},
		{"secret key missing", "access_key_id = \"id\"", nil, []problem{
			{0, "secret_access_key", "is missing, here and in AWS_SECRET_ACCESS_KEY, while there is an access key ID; set both or neither"}}},
		{"access key ID missing", "\nsecret_access_key = \"hush\"\naccess_key_id = \"\"", nil, []problem{
			{3, "access_key_id", "is missing, here and in AWS_ACCESS_KEY_ID, while there is a secret access key; set both or neither"}}},
		{"half an environment", "", map[string]string{"AWS_ACCESS_KEY_ID": "id"}, []problem{
			{0, "secret_access_key", "is missing, here and in AWS_SECRET_ACCESS_KEY, while there is an access key ID; set both or neither"}}},
		{"role is an ARN", `assume_role = "arn:aws:iam::123456789012:role/spire"`, nil, []problem{{1, "assume_role", roleNameWanted}}},
		{"role with a slash before it", `assume_role = "/spire"`, nil, []problem{{1, "assume_role", roleNameWanted}}},
		{"role with a slash behind it", `assume_role = "spire/"`, nil, []problem{{1, "assume_role", roleNameWanted}}},
		{"role with an odd character", `assume_role = "spire server"`, nil, []problem{{1, "assume_role", roleNameWanted}}},
		{"role too long", `assume_role = "` + strings.Repeat("x", 65) + `"`, nil, []problem{{1, "assume_role", roleNameWanted}}},
		{"account IDs", "account_ids_for_local_validation = [\n\"111111111111\",\n\"12345678901\",\n\"111111111111\",\n\"arn:aws\"]\nallowed_account_ids = []", nil, []problem{
			{3, "account_ids_for_local_validation[1]", "must be an account ID of 12 digits"},
			{5, "account_ids_for_local_validation[3]", "must be an account ID of 12 digits"},
			{6, "allowed_account_ids", "is empty, which would let no account in; remove it to let in all"},
		}},
		{"empty blocks", "verify_organization = {}\nvalidate_eks_cluster_membership = {}", nil, []problem{
			{1, "verify_organization.assume_org_role", missingOrg},
			{1, "verify_organization.management_account_id", missingOrg},
			{2, "validate_eks_cluster_membership.eks_cluster_names", missingEKS},
		}},
		{"organization: half", "verify_organization {\nmanagement_account_id = \"123456789012\"\nassume_org_role = \"\"\n}", nil, []problem{
			{3, "verify_organization.assume_org_role", missingOrg}}},
		{"organization: file and role", "verify_organization {\n" + organizable + "account_list_file = \"/f\"\n}", nil, []problem{
			{2, "verify_organization.management_account_id", exclusive},
			{3, "verify_organization.assume_org_role", exclusive},
		}},
		{"organization: bad values", `verify_organization {
			management_account_id = "1234"
			management_account_region = "Oregon"
			assume_org_role = "arn:aws:iam::123456789012:role/reader"
			org_account_map_ttl = "59s"
		}`, nil, []problem{
			{2, "verify_organization.management_account_id", "must be an account ID of 12 digits"},
			{3, "verify_organization.management_account_region", `is no AWS region, such as "us-west-2"`},
			{4, "verify_organization.assume_org_role", roleNameWanted},
			{5, "verify_organization.org_account_map_ttl", "must be at least 1m; the default is 3m"},
		}},
		{"organization: TTL without a unit", "verify_organization {\n" + organizable + "org_account_map_ttl = 5\n}", nil, []problem{
			{4, "verify_organization.org_account_map_ttl", `want a duration with its unit, such as "90s" or "5m"`}}},
		{"organization: wrong type", "verify_organization {\nmanagement_account_id = [1]\nassume_org_role = true\n}", nil, []problem{
			{2, "verify_organization.management_account_id", "want a string, not a list"},
			{3, "verify_organization.assume_org_role", "want a string, not true or false"},
		}},
		{"EKS: no clusters", "validate_eks_cluster_membership {\neks_cluster_names = []\n}", nil, []problem{
			{2, "validate_eks_cluster_membership.eks_cluster_names", emptyEKS}}},
		{"EKS: one text", "validate_eks_cluster_membership {\neks_cluster_names = \"a\"\n}", nil, []problem{
			{2, "validate_eks_cluster_membership.eks_cluster_names", "want a list, not a string"}}},
		{"EKS: names", "validate_eks_cluster_membership {\neks_cluster_names = [\"a\", \"a\", \"\", \"-b\"]\n}", nil, []problem{
			{2, "validate_eks_cluster_membership.eks_cluster_names[2]", clusterNameWanted},
			{2, "validate_eks_cluster_membership.eks_cluster_names[3]", clusterNameWanted},
		}},
		{"timeouts", "cloud_timeout = \"999ms\"", nil, []problem{{1, "cloud_timeout", "must be between 1s and 5m0s"}}},
		{"timeout too long", "cloud_timeout = \"301s\"", nil, []problem{{1, "cloud_timeout", "must be between 1s and 5m0s"}}},
		{"null for a list", `{"allowed_account_ids": null}`, nil, []problem{{1, "allowed_account_ids", "is null: want a list, or no such key"}}},
		{"null for a block", `{"verify_organization": null}`, nil, []problem{{1, "verify_organization", "is null: want an object, or no such key"}}},
		{"null in HCL", `allowed_account_ids = null`, nil, []problem{{1, "allowed_account_ids", "is null: want a value, or no such key"}}},
		{"template too long", `agent_path_template = "` + strings.Repeat("x", 4097) + `"`, nil, []problem{{1, "agent_path_template", "must not be longer than 4096 bytes"}}},
		{"template", "agent_path_template = \"/{{ .PluginName }}/{{ .InstanceID \"", nil, []problem{
			{1, "agent_path_template", "template: agent_path_template:1: unclosed action"}}},
		{"template of no one machine", "agent_path_template = \"/{{ .PluginName }}/{{ .AccountID }}\"", nil, []problem{
			{1, "agent_path_template", "for a node with map[AccountID:123456789012 InstanceID:i-0123456789abcdef0 Region:us-west-2]: agent path \"/aws_iid/123456789012\" has no .InstanceID in it: another machine could have the same"}}},
		{"enforcement", "enforcement {\ntofu = \"Deny\"\n\"Block Device\" = \"off\"\norganization = true\n}", nil, []problem{
			{2, "enforcement.tofu", `must be "deny", "warn" or "off"`},
			{3, `enforcement."Block Device"`, "is no rule's name: small letters, digits and _, up to 64, the first a letter"},
			{4, "enforcement.organization", "want a string, not true or false"},
		}},
		{"policy: no directory", "policy {\nbaseline = false\n}", nil, []problem{{1, "policy.directory", noPolicyDirectory}}},
		{"policy: empty", "policy {}", nil, []problem{{1, "policy.directory", noPolicyDirectory}}},
		{"policy: wrong types", "policy {\ndirectory = [\"/a\"]\nbaseline = \"no\"\n}", nil, []problem{
			{2, "policy.directory", "want a string, not a list"},
			{3, "policy.baseline", "want true or false"},
		}},
		{"policy: unknown key", "policy {\ndirectory = \"/a\"\nbase_line = true\n}", nil, []problem{
			{3, "policy.base_line", `unknown key; did you mean "baseline"?`}}},
	}
	testBadTexts(t, buildAWSIID, tests)
}

// TestBuildAWSIIDOfSPIRE takes the aws_iid texts that SPIRE really hands over, the
// reference's samples among them.
func TestBuildAWSIIDOfSPIRE(t *testing.T) {
	spireAWSIID := map[string]awsIIDConfig{
		"plain": awsDefaults(func(c *awsIIDConfig) {
			c.AccessKeyID, c.SecretAccessKey = newSecret("ACCESS_KEY_ID"), newSecret("SECRET_ACCESS_KEY")
		}),
		"assume_role": awsDefaults(func(c *awsIIDConfig) { c.AssumeRole = "spire-server-delegate" }),
		"eks_attribute": awsDefaults(func(c *awsIIDConfig) {
			c.ValidateEKSClusterMembership = &eksConfig{[]string{"production-cluster", "staging-cluster"}}
		}),
		"empty":          awsDefaults(nil),
		"assigned_empty": awsDefaults(nil),
		"assigned": awsDefaults(func(c *awsIIDConfig) {
			c.SkipBlockDevice, c.AssumeRole = true, "spire-server-delegate"
		}),
		"one_line": awsDefaults(func(c *awsIIDConfig) {
			c.SkipBlockDevice, c.Partition = true, "aws-cn"
			c.AccountIDsForLocalValidation = []string{"111111111111", "222222222222"}
		}),
		"header_block": awsDefaults(func(c *awsIIDConfig) {
			c.SkipBlockDevice = true
			c.VerifyOrganization = &organizationConfig{OrgAccountMapTTL: 3 * time.Minute, AccountListFile: "/etc/accounts.json"}
		}),
		"comments": awsDefaults(func(c *awsIIDConfig) {
			c.SkipBlockDevice, c.AssumeRole = true, "role"
			c.AccountIDsForLocalValidation = []string{"111111111111", "222222222222"}
		}),
		"commas": awsDefaults(func(c *awsIIDConfig) {
			c.SkipBlockDevice = true
			c.VerifyOrganization = &organizationConfig{"123456789012", "us-west-2", "reader", 3 * time.Minute, ""}
		}),
		"repeated_blocks": awsDefaults(func(c *awsIIDConfig) {
			c.SkipBlockDevice = true
			c.VerifyOrganization = &organizationConfig{"123456789012", "us-west-2", "reader", 3 * time.Minute, ""}
		}),
	}
	for name, want := range spireAWSIID {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("plugindata", "testdata", "spire", name, "plugin_data"))
			if err != nil {
				t.Fatal(err)
			}
			got, problems := buildAWSIID(string(text), environment(nil))
			if len(problems) > 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v\nand problems %v, want\n%+v", got, problems, want)
			}
		})
	}
}

// buildAWSIID is all that there is to a configuration, before files are read.
func buildAWSIID(text string, env func(string) string) (awsIIDConfig, []plugindata.Problem) {
	o := plugindata.Parse(text)
	config := decodeAWSIID(o, env)
	if problems := o.Problems(); len(problems) > 0 {
		return awsIIDConfig{}, problems
	}
	return config, nil
}
