package e2e_test

import "github.com/spire-gatehouse/gatehouse/e2e/standin/aws"

func configDifferences() []difference {
	return []difference{
		{name: "credentials of the environment", set: func(tr *trial) { tr.bare = true }, want: accepts},
		{name: "half of the credentials in the environment", config: `access_key_id = "AKIAIOSFODNN7EXAMPLE"`, set: func(tr *trial) { tr.bare = true }, want: accepts},
		{name: "wrong credentials", config: "access_key_id = \"AKIAWRONG\"\nsecret_access_key = \"wrong\"", set: func(tr *trial) { tr.bare = true },
			want: denies, says: "AuthFailure", rules: "outcome=unavailable"},
		{name: "empty strings are defaults", want: accepts, config: `
			partition = ""
			assume_role = ""
			agent_path_template = ""`},
		{name: "false and empty lists are defaults", want: accepts, config: `
			skip_block_device = false
			disable_instance_profile_selectors = false
			account_ids_for_local_validation = []`},
		{name: "every key", want: accepts, set: func(tr *trial) { member(tr); inCluster(tr); delegate(tr) }, config: everyKey},
		{name: "blocks without equals signs", want: accepts, set: func(tr *trial) { member(tr); inCluster(tr) }, config: `
			verify_organization {
				management_account_id = "999999999999"
				assume_org_role = "org"
			}
			validate_eks_cluster_membership { eks_cluster_names = ["prod"] }`},

		{name: "invalid partition", config: `partition = "moon"`, want: refusesConfig, says: "invalid partition", rules: "partition"},
		{name: "partition by ARN", config: `partition = "arn:aws"`, want: refusesConfig, says: "invalid partition", rules: "partition"},
		{name: "newer partition", config: `partition = "aws-eusc"`, want: refusesConfig, says: "invalid partition",
			differs: "partitions", gatehouse: denies, rules: "[partition]"},
		{name: "not HCL", config: `partition = {{`, want: refusesConfig, says: "decode", rules: "line 4"},
		{name: "number for a list", config: `account_ids_for_local_validation = 5`, want: refusesConfig, says: "decode", rules: "account_ids_for_local_validation"},
		{name: "template that does not parse", config: `agent_path_template = "/{{ .InstanceID"`, want: refusesConfig, says: "agent svid template", rules: "agent_path_template"},
		{name: "template with an unknown function", config: `agent_path_template = "/aws_iid/{{ env \"HOME\" }}/{{ .InstanceID }}"`, want: refusesConfig, says: "agent svid template", rules: "agent_path_template"},

		{name: "empty organization", config: `verify_organization = {}`, want: refusesConfig, says: "management_account_id", rules: "management_account_id"},
		{name: "organization without its role", config: `verify_organization = { management_account_id = "999999999999" }`,
			want: refusesConfig, says: "assume_org_role", rules: "assume_org_role"},
		{name: "organization without its account", config: `verify_organization = { assume_org_role = "org" }`,
			want: refusesConfig, says: "management_account_id", rules: "management_account_id"},
		{name: "account list kept too short", config: organizationBlock(`org_account_map_ttl = "59s"`), want: refusesConfig, says: "org_account_map_ttl", rules: "org_account_map_ttl"},
		{name: "account list kept for a minute", config: organizationBlock(`org_account_map_ttl = "1m"`), set: member, want: accepts},
		{name: "account list kept for no duration", config: organizationBlock(`org_account_map_ttl = "5"`), want: refusesConfig, says: "org_account_map_ttl", rules: "org_account_map_ttl"},
		{name: "organization by file and by account", config: organizationBlock(`account_list_file = "DIR/accounts.json"`), set: listed(`["123456789012"]`),
			want: refusesConfig, says: "mutually exclusive", rules: "account_list_file"},
		{name: "account list that is not there", config: fileBlock, want: refusesConfig, says: "no such file", rules: "no such file"},
		{name: "account list that is not JSON", config: fileBlock, set: listed("123456789012\n"), want: refusesConfig, says: "JSON array", rules: "account_list_file"},
		{name: "account list with something else", config: fileBlock, set: listed(`["12345"]`), want: refusesConfig, says: "invalid account id", rules: "account_list_file"},

		{name: "unknown key", config: `asume_role = "spire"`, want: accepts, differs: "unknown_keys", gatehouse: refusesConfig, rules: "assume_role"},
		{name: "unknown key in a block", config: organizationBlock(`management_account = "x"`), set: member, want: accepts,
			differs: "unknown_keys", gatehouse: refusesConfig, rules: "management_account"},
		{name: "key without a value", config: `partition = `, want: accepts, differs: "hcl", gatehouse: refusesConfig, rules: "line 4"},
		{name: "boolean in quotes", config: `skip_block_device = "true"`, want: refusesConfig, says: "skip_block_device", differs: "hcl", gatehouse: accepts},
		{name: "key given twice", config: "skip_block_device = true\nskip_block_device = false", want: accepts,
			differs: "duplicate_keys", gatehouse: refusesConfig, rules: "skip_block_device"},
		{name: "role by ARN", config: `assume_role = "arn:aws:iam::123456789012:role/spire"`, want: denies, says: "AssumeRole",
			differs: "checked_at_configuration", gatehouse: refusesConfig, rules: "assume_role"},
		{name: "no account ID for local validation", config: `account_ids_for_local_validation = ["prod"]`, want: accepts,
			differs: "checked_at_configuration", gatehouse: refusesConfig, rules: "account_ids_for_local_validation"},
		{name: "no account ID of the organization", config: `verify_organization = { management_account_id = "prod", assume_org_role = "org" }`,
			want: denies, says: "prod", differs: "checked_at_configuration", gatehouse: refusesConfig, rules: "management_account_id"},
		{name: "cluster block without clusters", config: `validate_eks_cluster_membership = {}`, want: denies, says: "not part of configured EKS cluster",
			differs: "empty_eks", gatehouse: refusesConfig, rules: "eks_cluster_names"},
		{name: "empty list of clusters", config: `validate_eks_cluster_membership = { eks_cluster_names = [] }`, want: denies, says: "not part of configured EKS cluster",
			differs: "empty_eks", gatehouse: refusesConfig, rules: "eks_cluster_names"},
		{name: "list of allowed accounts", config: `allowed_account_ids = ["210987654321"]`, want: accepts,
			differs: "own_keys", gatehouse: denies, rules: "[account]"},
		{name: "list of allowed accounts, and a role in a foreign one", want: accepts, differs: "own_keys", gatehouse: denies, rules: "[account]", unasked: true,
			config: "allowed_account_ids = [\"" + account + "\"]\nassume_role = \"spire\"", set: func(tr *trial) {
				tr.moveTo(otherAccount, region)
				delegate(tr)
			}},
		{name: "role in an allowed account", config: "allowed_account_ids = [\"" + otherAccount + "\"]\nassume_role = \"spire\"", want: accepts, calls: true, set: func(tr *trial) {
			tr.moveTo(otherAccount, region)
			delegate(tr)
		}},
		{name: "allowed account", config: `allowed_account_ids = ["123456789012"]`, want: accepts},
		{name: "rule turned down", config: `enforcement = { block_device = "warn" }`, set: rootAttached(61), want: denies, says: "differ by 61 seconds",
			differs: "own_keys", gatehouse: accepts},
	}
}

// everyKey has all keys of the built-in.
const everyKey = `
			partition = "aws"
			assume_role = "spire"
			skip_block_device = true
			disable_instance_profile_selectors = true
			account_ids_for_local_validation = ["123456789012"]
			agent_path_template = "/{{ .PluginName }}/{{ .Region }}/{{ .InstanceID }}"
			verify_organization = {
				management_account_id = "999999999999"
				management_account_region = "eu-central-1"
				assume_org_role = "org"
				org_account_map_ttl = "6m"
			}
			validate_eks_cluster_membership = { eks_cluster_names = ["prod"] }`

// organizationBlock is a verify_organization with more in it.
func organizationBlock(more string) string {
	return `verify_organization = {
		management_account_id = "` + managementAccount + `"
		assume_org_role = "org"
		` + more + `
	}`
}

const fileBlock = `verify_organization = { account_list_file = "DIR/accounts.json" }`

// listed writes the account list file.
func listed(content string) func(*trial) {
	return func(tr *trial) { tr.file("accounts.json", content) }
}

// delegate makes a role in the node's account that the server may assume.
func delegate(tr *trial) {
	tr.world.PutRole(tr.document.AccountID, aws.Role{Name: "spire", TrustedAccounts: []string{account}})
}
