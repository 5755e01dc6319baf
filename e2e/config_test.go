package e2e_test

import (
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

func TestGoodConfigurationValidates(t *testing.T) {
	cloud := newAWS(t)
	output, err := spire.Validate(t.Context(), binaries(t), serverConfig(t, cloud, cloud.PluginData()))
	if err != nil {
		t.Errorf("%v: %s", err, output)
	}
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
