package e2e_test

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/attestors"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

func TestGoodConfigurationValidates(t *testing.T) {
	t.Parallel()
	cloud := newAWS(t)
	output, err := spire.Validate(t.Context(), binaries(t), serverConfig(t, cloud, cloud.PluginData()))
	if err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

// TestConfigurationsOfTheDifferentialTest takes the configurations that the
// built-in and Gatehouse were compared with, puts each into a server.conf, has
// SPIRE's code read that, and has a loaded Gatehouse validate what SPIRE makes of
// it. What Gatehouse refuses there it refuses here, with the same key named.
// TestBadConfigurationIsRefused has whole servers do the same.
func TestConfigurationsOfTheDifferentialTest(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := attestors.ExternalIn(t.Context(), awsEnvironment(ring.url), ring.store, "aws_iid", binary, "aws_iid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := loaded.Close(); err != nil {
			t.Error(err)
		}
	})
	// Compiling the policies takes most of the time, so that all go at once.
	var done sync.WaitGroup
	seen := map[string]bool{}
	var checks []*configCheck
	for number, tc := range differences() {
		if seen[tc.config] {
			continue
		}
		seen[tc.config] = true
		tr := ring.newTrial(t, number)
		if tc.set != nil {
			tc.set(tr)
		}
		block, err := stage.Plugin(binary, tr.pluginData(tc.config))
		if err != nil {
			t.Fatal(err)
		}
		config := spire.ServerConfig{NodeAttestors: block, TrustDomain: attestors.TrustDomain}
		check := &configCheck{difference: tc, report: checkConfig(t, config, awsEnvironment(ring.url))}
		checks = append(checks, check)
		data, err := pluginDataOf("plugins {" + block + "\n}\n")
		if err != nil {
			check.unread = err
			continue
		}
		done.Go(func() { check.notes, check.failed = loaded.Validate(t.Context(), data) })
	}
	done.Wait()
	for _, check := range checks {
		t.Run(check.name, check.run)
	}
	if len(seen) < 40 {
		t.Errorf("only %d configurations", len(seen))
	}
}

// configCheck is what was said about the configuration of a case.
type configCheck struct {
	difference
	unread error    // SPIRE's own, before there is a plugin to ask
	notes  []string // Gatehouse's
	failed error
	report configReport
}

func (c *configCheck) run(t *testing.T) {
	if c.failed != nil {
		t.Fatal(c.failed)
	}
	refused := c.want == refusesConfig && c.differs == "" || c.gatehouse == refusesConfig
	notHCL := strings.HasPrefix(c.rules, "line") // of which a server.conf has others
	said := strings.Join(c.notes, "\n")
	switch {
	case c.unread != nil && !notHCL:
		t.Errorf("SPIRE does not read it: %v", c.unread)
	case c.unread != nil:
	case !refused && said != "":
		t.Errorf("refused: %s", said)
	case refused && said == "":
		t.Error("taken")
	case refused && !notHCL && !strings.Contains(said, c.rules):
		t.Errorf("does not mention %s: %s", c.rules, said)
	}
	c.compareReport(t)
}

// compareReport compares gatehouse config check with what SPIRE and the plugin
// say: the same problems, in other lines.
func (c *configCheck) compareReport(t *testing.T) {
	if c.unread != nil {
		if c.report.Valid || len(c.report.Problems) != 1 {
			t.Errorf("SPIRE does not read it: %v; config check says %+v", c.unread, c.report)
		}
		return
	}
	if len(c.report.Plugins) != 1 || c.report.Valid != (len(c.notes) == 0) {
		t.Fatalf("the plugin says %q, config check %+v", c.notes, c.report)
	}
	var said, noted []string
	for _, p := range c.report.Plugins[0].Problems {
		text := p.Msg
		if p.Key != "" {
			text = p.Key + ": " + text
		}
		said = append(said, withoutLine(text))
	}
	for _, note := range c.notes {
		noted = append(noted, withoutLine(note))
	}
	slices.Sort(said)
	slices.Sort(noted)
	if !slices.Equal(said, noted) {
		t.Errorf("the plugin says %q, config check %q", noted, said)
	}
}

var lineNumber = regexp.MustCompile(`^line \d+: |, in lines \d+ and \d+| \(line \d+ of what SPIRE makes of plugin_data\)`)

func withoutLine(text string) string { return lineNumber.ReplaceAllString(text, "") }

// TestServerStartsWith starts real servers with configurations of the
// differential test, each in a server.conf, and has each let its node in.
func TestServerStartsWith(t *testing.T) {
	t.Parallel()
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
			server := startServer(t, config)
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
	t.Parallel()
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
