package attestor

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// TestConfigurationBounds tries what a configuration may say on both sides of each
// bound.
func TestConfigurationBounds(t *testing.T) {
	text := func(format string, bounds ...any) (texts []string) {
		for _, bound := range bounds {
			texts = append(texts, fmt.Sprintf(format, bound))
		}
		return texts
	}
	aws := func(text string) []plugindata.Problem {
		_, problems := buildAWSIID(text, environment(nil))
		return problems
	}
	azure := func(text string) []plugindata.Problem {
		_, problems := buildAzureMSI(azureConfig+" "+text, environment(nil))
		return problems
	}
	template := func(n int) string {
		const path = "/{{ .PluginName }}/{{ .InstanceID }}"
		return path + "{{/*" + strings.Repeat("x", n-len(path)-len("{{/**/}}")) + "*/}}"
	}
	clusters := func(n int) string {
		var names strings.Builder
		for i := range n {
			fmt.Fprintf(&names, "%q,", fmt.Sprint("c", i))
		}
		return names.String()
	}
	const (
		postgres     = `claims { backend = "postgres" connection_string = "host=db" %s }`
		organization = `verify_organization { account_list_file = "/accounts.json" org_account_map_ttl = "%s" }`
		ns           = time.Nanosecond
	)
	for name, tc := range map[string]struct {
		build           func(text string) []plugindata.Problem
		within, without []string
		key, problem    string
	}{
		"cloud_timeout": {aws, text(`cloud_timeout = "%s"`, minCloudTimeout, maxCloudTimeout), text(`cloud_timeout = "%s"`, minCloudTimeout-ns, maxCloudTimeout+ns),
			"cloud_timeout", "must be between 1s and 5m0s"},
		"agent_path_template": {aws, text(`agent_path_template = %q`, template(maxAgentPathTemplate)), text(`agent_path_template = %q`, template(maxAgentPathTemplate+1)),
			"agent_path_template", "must not be longer than 4096 bytes"},
		"clusters": {aws, text("validate_eks_cluster_membership { eks_cluster_names = [%s] }", clusters(awsiid.MaxClusters)),
			text("validate_eks_cluster_membership { eks_cluster_names = [%s] }", clusters(awsiid.MaxClusters+1)),
			"validate_eks_cluster_membership.eks_cluster_names", "must not name more than 1000 clusters"},
		"limits.max_concurrent": {aws, text("limits { max_concurrent = %d }", 1, maxConcurrent), text("limits { max_concurrent = %d }", 0, maxConcurrent+1),
			"limits.max_concurrent", "must be from 1 to 100000; the default is 1024"},
		"limits.max_waiting": {aws, text("limits { max_waiting = %d }", 0, maxWaiting), text("limits { max_waiting = %d }", -1, maxWaiting+1),
			"limits.max_waiting", "must be from 0 to 100000; the default is 4096"},
		"limits.max_wait": {aws, text(`limits { max_wait = "%s" }`, ns, maxWait), text(`limits { max_wait = "%s" }`, 0*ns, maxWait+ns),
			"limits.max_wait", "must be more than 0 and at most 1m0s; the default is 10s"},
		"the least of cache": {azure, text(`cache { keys_recheck = "%s" }`, minCacheTime), text(`cache { keys_recheck = "%s" }`, minCacheTime-ns),
			"cache.keys_recheck", "must be between 1s and 168h0m0s"},
		"the most of cache": {azure, text(`cache { keys_stale = "%s" }`, maxCacheTime), text(`cache { keys_stale = "%s" }`, maxCacheTime+ns),
			"cache.keys_stale", "must be between 1s and 168h0m0s"},
		"verify_organization.org_account_map_ttl": {aws, text(organization, minOrgAccountMapTTL), text(organization, minOrgAccountMapTTL-ns),
			"verify_organization.org_account_map_ttl", "must be at least 1m; the default is 3m"},
		"claims.claim_ttl": {aws, text(`claims { claim_ttl = "%s" }`, minClaimTTL, maxClaimTTL), text(`claims { claim_ttl = "%s" }`, minClaimTTL-ns, maxClaimTTL+ns),
			"claims.claim_ttl", "must be between 1s and 1h0m0s"},
		"claims.timeout": {aws, text(fmt.Sprintf(postgres, `timeout = "%s"`), minClaimsTimeout, maxClaimsTimeout),
			text(fmt.Sprintf(postgres, `timeout = "%s"`), minClaimsTimeout-ns, maxClaimsTimeout+ns),
			"claims.timeout", "must be between 100ms and 1m0s"},
		"claims.max_connections": {aws, text(fmt.Sprintf(postgres, `max_connections = %d`), 1, maxClaimsConnections),
			text(fmt.Sprintf(postgres, `max_connections = %d`), 0, maxClaimsConnections+1),
			"claims.max_connections", "must be from 1 to 1000; the default is 10"},
		"policy.start_timeout": {aws, text(`policy { bundle "b" { resource = "file:///b" signing {} } key "k" { key = "x" } start_timeout = "%s" }`, minStartTimeout, maxStartTimeout),
			text(`policy { bundle "b" { resource = "file:///b" signing {} } key "k" { key = "x" } start_timeout = "%s" }`, minStartTimeout-ns, maxStartTimeout+ns),
			"policy.start_timeout", "must be between 1s and 10m0s"},
		"decision_log.file.max_size_mb": {aws, text(`decision_log { file { path = "/log" max_size_mb = %d } }`, 1, maxLogFileMB),
			text(`decision_log { file { path = "/log" max_size_mb = %d } }`, maxLogFileMB+1),
			"decision_log.file.max_size_mb", "must not be more than 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range tc.within {
				if problems := tc.build(text); len(problems) > 0 {
					t.Errorf("%.200s: %v", text, problems)
				}
			}
			for _, text := range tc.without {
				if got, want := tc.build(text), (plugindata.Problem{Line: 1, Key: tc.key, Msg: tc.problem}); len(got) != 1 || got[0] != want {
					t.Errorf("%.200s: got %v, want %v", text, got, want)
				}
			}
		})
	}
}

// TestTenantsBound is apart, as each tenant takes a line.
func TestTenantsBound(t *testing.T) {
	var text strings.Builder
	for i := range azuremsi.MaxTenants + 1 {
		fmt.Fprintf(&text, "\"%08x-0000-0000-0000-000000000000\" {}\n", i)
	}
	all := text.String()
	fewer, _, _ := strings.Cut(all, fmt.Sprintf("\"%08x", azuremsi.MaxTenants))
	o := plugindata.Parse("tenants {\n" + fewer + "}")
	if got := buildAzureTenants(o); len(got) != azuremsi.MaxTenants || o.Problems() != nil {
		t.Errorf("%d tenants, %v", len(got), o.Problems())
	}
	o = plugindata.Parse("tenants {\n" + all + "}")
	buildAzureTenants(o)
	if got, want := o.Problems(), (plugindata.Problem{Line: 1, Key: "tenants", Msg: "must not have more than 8192 tenants"}); len(got) != 1 || got[0] != want {
		t.Errorf("one more: got %v, want %v", got, want)
	}
}

// TestRestlessDirectory: a directory is read until it is the same before and after,
// and not for ever.
func TestRestlessDirectory(t *testing.T) {
	for _, changes := range []int{0, maxReads - 1, maxReads} { // while it is read
		reads := 0
		digest, err := untilSteady(func() (string, error) { return fmt.Sprint(min(reads, changes)), nil }, func() { reads++ })
		switch {
		case changes < maxReads && (err != nil || digest != fmt.Sprint(changes) || reads != changes+1):
			t.Errorf("%d changes: got %s, %v after %d reads", changes, digest, err, reads)
		case changes == maxReads && (err == nil || err.Error() != "the directory's files change all the time" || reads != maxReads):
			t.Errorf("%d changes: got %s, %v after %d reads", changes, digest, err, reads)
		}
	}
}

// TestLoggedTexts: what is longer than a log takes is cut at the end of a character,
// and says so.
func TestLoggedTexts(t *testing.T) {
	callError := func(text string) string {
		var heard listener
		heard.Called(evidence.Call{Err: errors.New(text)})
		return heard.calls[0].Error
	}
	factError := func(text string) string { return cutAll([]string{text})[0] }
	for name, tc := range map[string]struct {
		limit  int
		logged func(string) string
	}{
		"a reason":           {maxLoggedReason, cutReason},
		"a policy's problem": {maxLoggedReason, oneLine},
		"a call's error":     {maxLoggedError, callError},
		"a fact's error":     {maxLoggedError, factError},
	} {
		t.Run(name, func(t *testing.T) {
			whole := strings.Repeat("x", tc.limit)
			for text, want := range map[string]string{
				whole:                    whole,
				whole + "x":              whole + "… (cut)",
				whole[1:] + "é":          whole[1:] + "… (cut)",
				whole[:tc.limit-2] + "é": whole[:tc.limit-2] + "é",
			} {
				if got := tc.logged(text); got != want {
					t.Errorf("%d bytes: got %d that end with %q, want %d that end with %q", len(text), len(got), got[len(got)-20:], len(want), want[len(want)-20:])
				}
			}
		})
	}
}

// TestLoggedLookups: a decision has so many caches in it. More of one that is there
// still count.
func TestLoggedLookups(t *testing.T) {
	var heard listener
	for n := range maxLoggedLookups + 1 {
		heard.Looked(evidence.Lookup{Cache: fmt.Sprintf("%04d", n), Result: evidence.LookupHit})
	}
	heard.Looked(evidence.Lookup{Cache: fmt.Sprintf("%04d", maxLoggedLookups-1), Result: evidence.LookupHit})
	var got decisionlog.Outcome
	heard.report(&got)
	last := got.Lookups[len(got.Lookups)-1]
	if want := (decisionlog.Lookup{Cache: "0099", Result: "hit", Count: 2}); len(got.Lookups) != maxLoggedLookups || last != want {
		t.Errorf("%d lookups, the last %+v, want %d and %+v", len(got.Lookups), last, maxLoggedLookups, want)
	}
}

// TestLoggedProblems: of a policy with many problems the log has the first, and how
// many more there are.
func TestLoggedProblems(t *testing.T) {
	for problems, wantMore := range map[int]string{maxLoggedProblems: "", maxLoggedProblems + 1: "not_logged=1", maxLoggedProblems + 9: "not_logged=9"} {
		var text bytes.Buffer
		f := &policyFollower{log: hclog.New(&hclog.LoggerOptions{Output: &text})}
		f.logEach("Refused", make([]string, problems), "directory", "d")
		got := text.String()
		if n := strings.Count(got, "Refused"); n != maxLoggedProblems {
			t.Errorf("%d problems: %d lines", problems, n)
		}
		if (wantMore != "") != strings.Contains(got, "Policy has more problems than are logged") || !strings.Contains(got, wantMore) {
			t.Errorf("%d problems: got %s, want %q", problems, got, wantMore)
		}
	}
}
