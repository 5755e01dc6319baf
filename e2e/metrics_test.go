package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/internal/testport"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// scrape reads a server's Prometheus endpoint: each series without the label of
// the host, with its value.
func scrape(ctx context.Context, port int) (map[string]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://localhost:%d/metrics", port), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	series := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && strings.HasPrefix(name, "spire_server_gatehouse_") {
			series[hostLabel.ReplaceAllString(name+"}", "")] = value
		}
	}
	return series, nil
}

var hostLabel = regexp.MustCompile(`host="[^"]*",?`)

// TestMetrics: what the plugin counts comes out of a real server's Prometheus
// endpoint: nodes let in, a replay, the calls to the cloud, what its caches had and
// how old that was, a policy edit that is refused, and what a shadow policy would have done.
func TestMetrics(t *testing.T) {
	t.Parallel()
	dir, shadow := filepath.Join(t.TempDir(), "policy"), filepath.Join(t.TempDir(), "shadow")
	writePolicy(t, dir, map[string]string{"README.md": "Policies of ours."})
	writePolicy(t, shadow, map[string]string{"type.rego": typeSelector})
	cloud := newAWS(t)
	config := serverConfig(t, cloud, strings.Join([]string{cloud.PluginData(), policyBlock(dir), fmt.Sprintf("            shadow { directory = %q }", shadow)}, "\n"))
	port, err := testport.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config.Telemetry = fmt.Sprintf("    Prometheus {\n        port = %d\n    }", port)
	server := startServer(t, config)
	s := scene{cloud, running{server}}
	s.logged(t, 0, "Shadow policy revision took over")
	profile := aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "web"}}}
	cloud.World.PutProfile(cloud.Document(instanceID).AccountID, profile)
	var node stage.Node
	for _, id := range []string{"i-0123456789abcdef1", instanceID} { // the second finds the first's profile
		node = s.boot(t, id)
		document := cloud.Document(id)
		instance, err := stage.Instance(document)
		if err != nil {
			t.Fatal(err)
		}
		instance.InstanceProfile = &aws.InstanceProfile{ARN: profile.ARN(document.Region, document.AccountID), ID: "AIPAEXAMPLE"}
		cloud.World.PutInstance(document.AccountID, document.Region, instance)
		if _, err := s.agent(t, node).Attested(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.agent(t, node).Refusal(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := s.server.Log.Len()
	writePolicy(t, dir, map[string]string{"bad.rego": "package gatehouse.aws_iid\n\nselector contains 7\n"})
	s.logged(t, at, "Policy change refused; the last good revision stays in force")

	const prefix, plugin = "spire_server_gatehouse_", `plugin="aws_iid"`
	want := map[string]string{
		prefix + `attestations{outcome="attested",` + plugin + `}`:                           "2",
		prefix + `attestations{outcome="denied",` + plugin + `}`:                             "1",
		prefix + `attestations{outcome="bad_evidence",` + plugin + `}`:                       "0",
		prefix + `rules{effect="denied",` + plugin + `,rule="tofu"}`:                         "1",
		prefix + `claims{` + plugin + `,result="kept"}`:                                      "2",
		prefix + `panics{` + plugin + `,where="attestation"}`:                                "0",
		prefix + `step_elapsed_time_count{` + plugin + `,step="total"}`:                      "3",
		prefix + `step_elapsed_time_count{` + plugin + `,step="decide"}`:                     "2",
		prefix + `cloud_calls{api="ec2_DescribeInstances",` + plugin + `,result="ok"}`:       "2",
		prefix + `cloud_calls{api="iam_GetInstanceProfile",` + plugin + `,result="ok"}`:      "1",
		prefix + `cache_lookups{cache="instance",` + plugin + `,result="miss"}`:              "2",
		prefix + `cache_lookups{cache="instance_profile",` + plugin + `,result="miss"}`:      "1",
		prefix + `cache_lookups{cache="instance_profile",` + plugin + `,result="hit"}`:       "1",
		prefix + `cache_answer_age_count{cache="instance_profile",` + plugin + `}`:           "1",
		prefix + `cloud_call_elapsed_time_count{api="ec2_DescribeInstances",` + plugin + `}`: "2",
		prefix + `policy_changes{` + plugin + `,policy="enforcing",result="refused"}`:        "1",
		prefix + `policy_changes{` + plugin + `,policy="enforcing",result="took_over"}`:      "0",
		prefix + `policy_changes{` + plugin + `,policy="shadow",result="took_over"}`:         "1",
		prefix + `configurations{` + plugin + `,result="accepted"}`:                          "1",
		prefix + `shadow_decisions{` + plugin + `,result="different"}`:                       "2",
		prefix + `shadow_differences{difference="selectors_gained",` + plugin + `}`:          "2",
		prefix + `shadow_differences{difference="newly_denied",` + plugin + `}`:              "0",
		prefix + `telemetry_dropped{kind="counter",` + plugin + `}`:                          "0",
	}
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	for {
		got, err := scrape(ctx, port)
		var missing []string
		for name, value := range want {
			if got[name] != value {
				missing = append(missing, fmt.Sprintf("%s is %q, want %s", name, got[name], value))
			}
		}
		for _, name := range []string{prefix + `policy_age{` + plugin + `,policy="enforcing"}`, prefix + `policy_age{` + plugin + `,policy="shadow"}`} {
			if got[name] == "" {
				missing = append(missing, name+" is not there")
			}
		}
		if revision := regexp.MustCompile(`(?m)^` + prefix + `policy_info\{` + plugin + `,policy="enforcing",revision="[0-9a-f]{12}"\} 1$`); !revision.MatchString(lines(got)) {
			missing = append(missing, "no revision is in force")
		}
		if len(missing) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%v\n%s\namong\n%s", err, strings.Join(missing, "\n"), lines(got))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func lines(series map[string]string) string {
	var text strings.Builder
	for name, value := range series {
		fmt.Fprintf(&text, "%s %s\n", name, value)
	}
	return text.String()
}
