package e2e_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/internal/testbundles"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// bundleBlock is a block policy with a signed bundle of a service.
func bundleBlock(server *testbundles.Server, key *testbundles.Key, persistence string) string {
	return fmt.Sprintf(`            policy {
                start_timeout = "4m"
                persistence_directory = %q
                service "acme" {
                    url = %q
                    credentials { bearer { token = "bundle-token" } }
                }
                %s
                bundle "policy" {
                    service = "acme"
                    resource = "/policy.tar.gz"
                    persist = true
                    signing { keyid = "release" }
                    polling {
                        min_delay_seconds = 1
                        max_delay_seconds = 1
                    }
                }
            }`, persistence, server.URL, key.KeyBlock("release"))
}

// loggedLater waits for a line that comes with the next poll of a service.
func (s scene) loggedLater(t *testing.T, skip int, message string) process.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	entry, err := s.server.Log.Wait(ctx, skip, process.Message(message))
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// TestPolicyBundleRollsForwardAndBack publishes signed bundles under a running
// server. One whose test fails, and one that another signed, change nothing. A
// server that starts while the service is down decides by what was taken last.
func TestPolicyBundleRollsForwardAndBack(t *testing.T) {
	t.Parallel()
	service, key, persistence := testbundles.NewServer(t), testbundles.NewKey(t), t.TempDir()
	service.RequireToken("bundle-token")
	publish := func(key *testbundles.Key, revision string, files map[string]string) {
		service.Publish("/policy.tar.gz", testbundles.Build(t, testbundles.Spec{Revision: revision, Files: files, Key: key, KeyID: "release"}))
	}
	withKind := map[string]string{"selectors/type.rego": strings.Replace(typeSelector, "type:", "kind:", 1)}
	withTypes := map[string]string{"selectors/type.rego": typeSelector}

	publish(key, "r1", withTypes)
	s := start(t, bundleBlock(service, key, persistence))
	if got, want := s.attests(t, instanceID), withType(firstAgent().Selectors, instanceID); !reflect.DeepEqual(got, want) {
		t.Errorf("r1: got %v, want %v", got, want)
	}

	took := func(revision string, publish func()) {
		t.Helper()
		at := s.server.Log.Len()
		publish()
		if line := s.loggedLater(t, at, "Policy revision took over"); line.Field("bundle_revisions") != "policy="+revision {
			t.Errorf("logged %v", line.Fields)
		}
	}
	took("r2", func() { publish(key, "r2", withKind) })
	got, want := s.attests(t, secondInstance), withType(firstAgent().Selectors, secondInstance)
	want[slices.Index(want, "aws_iid:type:t3.micro")] = "aws_iid:kind:t3.micro"
	slices.Sort(want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("r2: got %v, want %v", got, want)
	}
	took("r1", func() { publish(key, "r1", withTypes) })

	at := s.server.Log.Len()
	publish(key, "bad", map[string]string{"selectors/type.rego": withKind["selectors/type.rego"], "bad_test.rego": "package bad_test\n\ntest_bad if false\n"})
	if line := s.loggedLater(t, at, "Policy change refused; the last good revision stays in force"); line.Field("problem") != "bad_test.rego:3: test_bad fails" {
		t.Errorf("logged %v", line.Fields)
	}
	at = s.server.Log.Len()
	publish(testbundles.NewKey(t), "forged", withKind)
	if line := s.loggedLater(t, at, "Policy bundle could not be taken; the last good revision stays in force"); !strings.Contains(line.Field("problem"), "failed to verify JWT signature") {
		t.Errorf("logged %v", line.Fields)
	}
	if got, want := s.attests(t, thirdInstance), withType(firstAgent().Selectors, thirdInstance); !reflect.DeepEqual(got, want) {
		t.Errorf("after bad ones: got %v, want %v", got, want)
	}
	for _, entry := range s.server.Log.Entries(0) {
		if strings.Contains(fmt.Sprint(entry), "bundle-token") {
			t.Errorf("the log shows the token: %v", entry)
		}
	}

	service.SetDown(true)
	again := start(t, bundleBlock(service, key, persistence))
	if got, want := again.attests(t, fourthInstance), withType(firstAgent().Selectors, fourthInstance); !reflect.DeepEqual(got, want) {
		t.Errorf("with the service down: got %v, want %v", got, want)
	}
	config := serverConfig(t, again.AWS, again.PluginData()+"\n"+strings.Replace(bundleBlock(service, key, t.TempDir()), `"4m"`, `"3s"`, 1))
	const missing = `could not be taken within 3s: server replied with Service Unavailable`
	if server, err := spire.StartServer(t.Context(), binaries(t), config); err == nil || !strings.Contains(err.Error(), missing) {
		if err == nil {
			server.Stop()
		}
		t.Errorf("with the service down and nothing on disk: got %v", err)
	}
}
