package attestor

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

func TestAttestAzure(t *testing.T) {
	for name, tc := range map[string]struct {
		config string // azureConfig if empty
		scene  func(*azureScene)
		token  func(*azureScene) entra.Token // the usual machine's if nil
		id     string                        // azureAgentID if empty
		want   []string                      // selectors
		calls  int                           // of Resource Manager
	}{
		"a virtual machine": {want: azureSelectors, calls: 2},
		"a token alone": {
			scene: func(s *azureScene) { s.noCredential = true },
			want:  azureTokenSelectors,
		},
		"tenant in upper case, with the reference's sample": {
			config: sampleAzureConfig(t), want: azureSelectors, calls: 2,
		},
		"an identity that a user assigned": {
			scene: func(s *azureScene) { s.noCredential = true },
			token: func(s *azureScene) entra.Token {
				return s.vm(func(m *entra.Machine) {
					m.ManagedIdentity = "/subscriptions/" + azureSub + "/resourcegroups/Shared/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web"
					m.AzureResource = azureVM
				})
			},
			want: azureTokenSelectors,
		},
		"a scale set": {
			token: func(s *azureScene) entra.Token {
				return s.vm(func(m *entra.Machine) { m.ManagedIdentity = azureScaleSet })
			},
			want: []string{"subscription-id:" + azureSub},
		},
		"version 2.0": {
			token: func(s *azureScene) entra.Token { return s.vm(func(m *entra.Machine) { m.Version = "2.0" }) },
			want:  azureSelectors, calls: 2,
		},
		"an API of one's own: found by principal": {
			config: `tenants { "` + azureTenant + `" { resource_id = "api://gatehouse" } }`,
			token:  (*azureScene).nameless, want: azureSelectors, calls: 3,
		},
		"an API of one's own: a token alone": {
			config: `tenants { "` + azureTenant + `" { resource_id = "api://gatehouse" } }`,
			scene:  func(s *azureScene) { s.noCredential = true },
			token:  (*azureScene).nameless,
		},
		"subscription with the default credential": {
			config: `tenants { "` + azureTenant + `" { subscription_id = "` + strings.ToUpper(azureSub) + `" } }`,
			want: append([]string{"subscription-id:" + strings.ToUpper(azureSub)},
				slices.DeleteFunc(slices.Clone(azureSelectors), func(s string) bool { return strings.HasPrefix(s, "subscription-id:") })...),
			calls: 2,
		},
		"agent_path_template": {
			config: azureConfig + ` agent_path_template = "/{{ .PluginName }}/spire/{{ .PrincipalID | upper }}"`,
			id:     "spiffe://example.org/spire/agent/azure_msi/spire/" + strings.ToUpper(azurePrincipal),
			want:   azureSelectors, calls: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, token := arrangeAzure(t, tc.config, tc.scene, tc.token)
			got, err := s.attest(t, azurePayload(t, token.Sign()))
			if err != nil {
				t.Fatalf("%v: %v", err, s.logs.all())
			}
			if tc.id == "" {
				tc.id = azureAgentID
			}
			slices.Sort(tc.want)
			want := &nodeattestorv1.AgentAttributes{SpiffeId: tc.id, SelectorValues: tc.want}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s.manager.asked() != tc.calls {
				t.Errorf("Resource Manager was asked %q, want %d calls", s.manager.calls, tc.calls)
			}
		})
	}
}

// TestAzureWithoutCredentialSaysSoOnce: the log says it at the first node, not at
// every one.
func TestAzureWithoutCredentialSaysSoOnce(t *testing.T) {
	s := newAzureScene(t)
	s.noCredential = true
	s.configure(t, azureConfig)
	for _, name := range []string{"1", "2", "3"} {
		token := s.vm(func(m *entra.Machine) { m.Principal, m.ManagedIdentity = "principal-"+name, azureVM+name })
		if _, err := s.attest(t, azurePayload(t, token.Without("oid").Sign())); err != nil {
			t.Fatal(err)
		}
	}
	var said []any
	for _, line := range s.logs.all() {
		if line["msg"] != "Node attested" && line["msg"] != "Node attestation refused" {
			said = append(said, line["msg"])
		}
	}
	want := []any{"no Azure credential for tenant " + azureTenant + ": its nodes are attested from their signed tokens alone, without facts from Resource Manager"}
	if !reflect.DeepEqual(said, want) {
		t.Errorf("the log says %q, want %q", said, want)
	}
}

// TestAzureConfigures: nobody is asked while the plugin is configured, so that it
// works on a machine outside of Azure. The built-in asks the metadata service.
func TestAzureConfigures(t *testing.T) {
	s := serveKind(t, AzureMSI(), &agentStore{})
	s.configure(t, sampleAzureConfig(t))
	_, err := s.config.Configure(t.Context(), configure(`tenants { "`+azureTenant+`" { app_id = "`+azureApp+`" } }`))
	want := `invalid configuration: line 1: tenants.` + azureTenant + `.app_secret: is missing, and so is federated_token_file: app_id needs one of them`
	if status.Code(err) != codes.InvalidArgument || status.Convert(err).Message() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
