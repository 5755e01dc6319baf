package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

func TestGoodConfigurationValidates(t *testing.T) {
	cloud := newAWS(t)
	output, err := spire.Validate(t.Context(), binaries(t), serverConfig(t, cloud, cloud.PluginData()))
	if err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

// TestConfigurationsOfTheDifferentialTest takes the configurations that the
// built-in and Gatehouse were compared with, and has spire-server validate each
// as an operator would, from a server.conf. What Gatehouse refuses there it
// refuses here, with the same key named.
func TestConfigurationsOfTheDifferentialTest(t *testing.T) {
	cloud := newAWS(t)
	ring := newRing(t)
	seen := map[string]bool{}
	for number, tc := range differences() {
		tr := ring.newTrial(t, number)
		if tc.set != nil {
			tc.set(tr)
		}
		if seen[tc.config] {
			continue
		}
		seen[tc.config] = true
		refused := tc.want == refusesConfig && tc.differs == "" || tc.gatehouse == refusesConfig
		t.Run(tc.name, func(t *testing.T) {
			config := serverConfig(t, cloud, tr.pluginData(tc.config))
			if tr.bare {
				config.Env = append(config.Env, credentialsInEnvironment()...)
			}
			output, err := spire.Validate(t.Context(), binaries(t), config)
			switch {
			case !refused && err != nil:
				t.Errorf("refused: %s", output)
			case refused && err == nil:
				t.Errorf("taken: %s", output)
			// Lines are counted from elsewhere in a server.conf, and what is no
			// HCL is refused by the server before there is a plugin to ask.
			case refused && !strings.HasPrefix(tc.rules, "line") && !strings.Contains(output, tc.rules):
				t.Errorf("does not mention %s: %s", tc.rules, output)
			}
		})
	}
	if len(seen) < 40 {
		t.Errorf("only %d configurations", len(seen))
	}
}

// TestServerStartsWith starts real servers with configurations of the
// differential test, each in a server.conf, and has each let its node in.
func TestServerStartsWith(t *testing.T) {
	names := []string{
		"credentials of the environment", "every key", "blocks without equals signs", "partition aws-us-gov", "locally validated account",
		"member", "listed in a file", "node of the second cluster", "template with a tag", "role in the node's account and region",
	}
	started := 0
	for number, tc := range differences() {
		if !slices.Contains(names, tc.name) {
			continue
		}
		started++
		t.Run(tc.name, func(t *testing.T) {
			ring := newRing(t)
			tr := ring.newTrial(t, number)
			if tc.set != nil {
				tc.set(tr)
			}
			tr.enter(t)
			config := serverConfig(t, newAWS(t), tr.pluginData(tc.config))
			config.Env = []string{"AWS_ENDPOINT_URL=" + ring.url, "AWS_REGION=" + region}
			if tr.bare {
				config.Env = append(config.Env, credentialsInEnvironment()...)
			}
			server, err := spire.StartServer(t.Context(), binaries(t), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(server.Stop)
			svid, err := server.Attest(t.Context(), "aws_iid", tr.payload(t))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(svid.ID, "/"+tr.id(0)) {
				t.Errorf("the agent is %s", svid.ID)
			}
		})
	}
	if started != len(names) {
		t.Errorf("%d servers, want %d", started, len(names))
	}
}

func credentialsInEnvironment() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + stage.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + stage.SecretAccessKey}
}

// TestBadConfigurationIsRefused reads what an operator reads, from validate and
// from a server that does not start: each problem with its key.
func TestBadConfigurationIsRefused(t *testing.T) {
	cloud := newAWS(t)
	for _, tc := range []struct {
		name, data string
		want       []string
	}{
		{"unknown key", `asume_role = "x"`, []string{"asume_role", "assume_role"}},
		{"half a credential", `access_key_id = "AKIA"`, []string{"secret_access_key"}},
		{"partition", `partition = "moon"`, []string{"partition", "aws-us-gov"}},
		{"certificates that are not there", `identity_document_certificates = "/nonexistent"`, []string{"identity_document_certificates", "/nonexistent"}},
		{"empty organization", `verify_organization = {}`, []string{"verify_organization.management_account_id", "verify_organization.assume_org_role"}},
		{"empty cluster list", `validate_eks_cluster_membership = { eks_cluster_names = [] }`, []string{"validate_eks_cluster_membership.eks_cluster_names", "empty"}},
		{"two problems at once", "partition = \"moon\"\ncloud_timeout = \"soon\"", []string{"partition", "cloud_timeout"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := serverConfig(t, cloud, tc.data)
			output, err := spire.Validate(t.Context(), binaries(t), config)
			if err == nil {
				t.Errorf("validate accepts it: %s", output)
			}
			server, err := spire.StartServer(t.Context(), binaries(t), config)
			if err == nil {
				server.Stop()
				t.Fatal("the server starts with it")
			}
			for _, want := range tc.want {
				if !strings.Contains(output, want) {
					t.Errorf("validate does not mention %s: %s", want, output)
				}
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the start does not mention %s: %v", want, err)
				}
			}
		})
	}
}
