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

// What is configured is what the collector goes by.
func TestCollectorOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want awsiid.Options
	}{
		"nothing": {"", awsiid.Options{Partition: "aws"}},
		"roles and clusters": {`
			partition = "aws-us-gov"
			assume_role = "path/delegate"
			verify_organization = {
				management_account_id = "123456789012"
				management_account_region = "us-gov-west-1"
				assume_org_role = "lister"
				org_account_map_ttl = "5m"
			}
			validate_eks_cluster_membership = { eks_cluster_names = ["blue", "green"] }`,
			awsiid.Options{
				Partition: "aws-us-gov", AssumeRole: "path/delegate", EKSClusters: []string{"blue", "green"},
				Organization: &awsiid.OrganizationOptions{ManagementAccountID: "123456789012", Region: "us-gov-west-1", Role: "lister", TTL: 5 * time.Minute},
			}},
		"defaults of the organization": {`verify_organization = { management_account_id = "123456789012", assume_org_role = "lister" }`,
			awsiid.Options{Partition: "aws", Organization: &awsiid.OrganizationOptions{ManagementAccountID: "123456789012", Region: "us-west-2", Role: "lister", TTL: 3 * time.Minute}}},
		"an account list": {`verify_organization = { account_list_file = "/etc/accounts.json" }`,
			awsiid.Options{Partition: "aws", Organization: &awsiid.OrganizationOptions{AccountListFile: "/etc/accounts.json", TTL: 3 * time.Minute}}},
	} {
		t.Run(name, func(t *testing.T) {
			config, problems := buildAWSIID(tc.text, environment(nil))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			tc.want.Lifetimes = awsiid.DefaultLifetimes()
			if got := config.collectorOptions(nil, nil, nil); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v, organization %+v\nwant %+v, organization %+v", got, got.Organization, tc.want, tc.want.Organization)
			}
			if _, err := awsiid.New(config.collectorOptions(nil, nil, nil)); err != nil {
				t.Error(err)
			}
		})
	}
}

// An account list that can't be used is found when it is configured, and not by
// the first node.
func TestAccountListIsChecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.json")
	build := func() []plugindata.Problem {
		text := `verify_organization = { account_list_file = "` + path + `" }`
		_, problems := buildAWSIIDPlugin(t.Context(), text, host{env: environment(nil), now: time.Now})
		return problems
	}
	missing := []plugindata.Problem{{Line: 1, Key: "verify_organization.account_list_file", Msg: "account list: stat " + path + ": no such file or directory"}}
	if got := build(); !reflect.DeepEqual(got, missing) {
		t.Errorf("missing: got %v", got)
	}
	if err := os.WriteFile(path, []byte(`["12345"]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := build(); len(got) != 1 || !strings.HasSuffix(got[0].String(), "accounts.json: entry 1 is not an account ID of 12 digits") {
		t.Errorf("malformed: got %v", got)
	}
	if err := os.WriteFile(path, []byte(`["123456789012"]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := build(); got != nil {
		t.Errorf("good: got %v", got)
	}
}

// Every problem is told at once, in files that the configuration names too, with
// the line of the key.
func TestProblemsOfAllStages(t *testing.T) {
	text := `partition = "aws-mars"
identity_document_certificates = "/nowhere"
verify_organization { account_list_file = "/nowhere.json" }`
	_, got := buildAWSIIDPlugin(t.Context(), text, host{env: environment(nil), now: time.Now})
	want := []plugindata.Problem{
		{Line: 1, Key: "partition", Msg: "must be " + awsPartitionsDescription},
		{Line: 2, Key: "identity_document_certificates", Msg: "awsiid: certificates: open /nowhere: no such file or directory"},
		{Line: 3, Key: "verify_organization.account_list_file", Msg: "account list: stat /nowhere.json: no such file or directory"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestWarnings(t *testing.T) {
	for text, want := range map[string]int{
		`assume_role = "reader"`: 1,
		`assume_role = "reader" allowed_account_ids = ["123456789012"]`:                                                    0,
		`assume_role = "reader" verify_organization { management_account_id = "123456789012" assume_org_role = "lister" }`: 0,
		`agent_path_template = "/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}"`:                                               1,
		`agent_path_template = "/aws_iid/{{ .Region }}/{{ .InstanceID }}"`:                                                 0,
	} {
		result, problems := buildAWSIIDPlugin(t.Context(), text, host{env: environment(nil), now: time.Now})
		if len(problems) > 0 || len(result.warnings) != want {
			t.Errorf("%s: %d warnings %q, problems %v; want %d warnings", text, len(result.warnings), result.warnings, problems, want)
		}
	}
}

func TestTurnedDownRulesAreNamed(t *testing.T) {
	config, problems := buildAWSIID(`enforcement = { tofu = "warn", block_device = "off", instance_state = "deny" }`, environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []string{
		"enforcement: rule block_device is at off: what it refuses gets in",
		"enforcement: rule tofu is at warn: what it refuses gets in",
	}
	if got := turnedDown(config.policyConfig()); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
