package attestor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/go-cmp/cmp"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// The azure_msi plugin over gRPC: the real collector and the baseline policy,
// tokens that a test authority really signed, and a Resource Manager of a few
// answers.

const (
	azurePrincipal = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"
	azureAgentPath = "/spire/agent/azure_msi/" + azureTenant + "/" + azurePrincipal
	azureAgentID   = "spiffe://example.org" + azureAgentPath

	azureVM       = "/subscriptions/" + azureSub + "/resourcegroups/Web-RG/providers/Microsoft.Compute/virtualMachines/Web-1"
	azureScaleSet = "/subscriptions/" + azureSub + "/resourcegroups/Web-RG/providers/Microsoft.Compute/virtualMachineScaleSets/workers"
	azureNIC      = "/subscriptions/" + azureSub + "/resourceGroups/Net-RG/providers/Microsoft.Network/networkInterfaces/web-1"
	azureNetwork  = "/subscriptions/" + azureSub + "/resourceGroups/Net-RG/providers/Microsoft.Network/virtualNetworks/Main"
	azureGroup    = "/subscriptions/" + azureSub + "/resourceGroups/Net-RG/providers/Microsoft.Network/networkSecurityGroups/Web"

	azureConfig = `tenants { "` + azureTenant + `" {} }`
)

var (
	azureTokenSelectors = []string{"subscription-id:" + azureSub, "vm-name:Web-RG:Web-1"}
	azureSelectors      = []string{
		"network-security-group:Net-RG:Web", "subscription-id:" + azureSub,
		"virtual-network-subnet:Net-RG:Main:front", "virtual-network:Net-RG:Main", "vm-name:Web-RG:Web-1",
	}
)

// azureKey is made once: RSA keys take long.
var azureKey = sync.OnceValue(func() entra.Key { return entra.NewKey("key-a") })

// azureScene is a plugin and the clouds around it.
type azureScene struct {
	*plugin
	authority *entra.Authority
	manager   *azureManager
	store     *agentStore

	// noCredential: the machine that the server is on has none.
	noCredential bool
}

func newAzureScene(t *testing.T) *azureScene {
	t.Helper()
	s := &azureScene{authority: entra.New(azureKey()), manager: newAzureManager(), store: &agentStore{}}
	s.plugin = serveKind(t, s.kind(), s.store)
	return s
}

// kind is azure_msi in front of the scene's clouds.
func (s *azureScene) kind() Kind {
	return Kind{name: "azure_msi", build: func(_ context.Context, text string, h host) (built, []plugindata.Problem) {
		config, problems := buildAzureMSI(text, environment(nil))
		if len(problems) > 0 {
			return built{}, problems
		}
		options := config.collectorOptions(h)
		s.connect(&options)
		return config.plugin(options)
	}}
}

// connect puts the scene's clouds in place of Azure.
func (s *azureScene) connect(o *azuremsi.Options) {
	o.HTTPClient = &http.Client{Transport: s.authority}
	o.ResourceManager = s.manager
	o.DefaultCredential = func(string) (azcore.TokenCredential, error) { return s, nil }
}

// GetToken implements azcore.TokenCredential.
func (s *azureScene) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if s.noCredential {
		return azcore.AccessToken{}, azidentity.NewCredentialUnavailableError("there is none")
	}
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// vm is the usual machine: one with an identity that Azure assigned to it.
func (s *azureScene) vm(change ...func(*entra.Machine)) entra.Token {
	m := entra.Machine{Tenant: azureTenant, Principal: azurePrincipal, ManagedIdentity: azureVM}
	for _, f := range change {
		f(&m)
	}
	return s.authority.Issue(azureKey(), m, time.Now())
}

// nameless is the token that a machine gets for an API of one's own.
func (s *azureScene) nameless() entra.Token {
	return s.vm(func(m *entra.Machine) { m.ManagedIdentity, m.Audience = "", "api://gatehouse" }).Without("idtyp")
}

func azurePayload(t *testing.T, token string) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// azureManager is Resource Manager: answers by method and path in lower case.
type azureManager struct {
	mu      sync.Mutex
	answers map[string]any
	status  int // of every answer, if not 0
	calls   []string
}

func newAzureManager() *azureManager {
	type object = map[string]any
	id := func(id string) object { return object{"id": id} }
	return &azureManager{answers: map[string]any{
		"GET " + strings.ToLower(azureVM): object{
			"id": azureVM, "name": "Web-1", "location": "westeurope",
			"identity":   object{"type": "SystemAssigned", "principalId": azurePrincipal},
			"properties": object{"networkProfile": object{"networkInterfaces": []any{id(azureNIC)}}},
		},
		"GET " + strings.ToLower(azureNIC): object{
			"id": azureNIC, "name": "web-1",
			"properties": object{
				"networkSecurityGroup": id(azureGroup),
				"ipConfigurations":     []any{object{"properties": object{"privateIPAddress": "10.0.0.4", "subnet": id(azureNetwork + "/subnets/front")}}},
			},
		},
		"POST /providers/microsoft.resourcegraph/resources": object{"data": []any{object{"id": azureVM, "principalId": azurePrincipal}}},
	}}
}

// Do implements policy.Transporter.
func (m *azureManager) Do(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	call := r.Method + " " + strings.ToLower(r.URL.Path)
	m.calls = append(m.calls, call)
	answer, there := m.answers[call]
	code := http.StatusOK
	switch {
	case m.status != 0:
		code, answer = m.status, map[string]any{"error": map[string]any{"code": "Refused"}}
	case !there:
		code, answer = http.StatusNotFound, map[string]any{"error": map[string]any{"code": "ResourceNotFound"}}
	}
	body, err := json.Marshal(answer)
	return &http.Response{
		StatusCode: code,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(string(body))),
		Request:    r,
	}, err
}

func (m *azureManager) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.calls)
}

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
			s := newAzureScene(t)
			if tc.scene != nil {
				tc.scene(s)
			}
			if tc.config == "" {
				tc.config = azureConfig
			}
			s.configure(t, tc.config)
			token := s.vm()
			if tc.token != nil {
				token = tc.token(s)
			}
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

// sampleAzureConfig is the reference's sample as SPIRE hands it over.
func sampleAzureConfig(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("plugindata", "testdata", "spire", "azure_tenants", "plugin_data"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAttestAzureRefuses(t *testing.T) {
	vmID := strings.ToLower(azureVM)
	for name, tc := range map[string]struct {
		config string // azureConfig if empty
		scene  func(*azureScene)
		token  func(*azureScene) entra.Token // the usual machine's if nil
		code   codes.Code
		class  string
		reason string
		calls  int
	}{
		"signed by nobody who may": {
			token: func(s *azureScene) entra.Token {
				s.authority.Publish(entra.NewKey("key-a"))
				return s.vm()
			},
			code: codes.InvalidArgument, class: "bad_evidence", reason: `verify: key "key-a": the signature is not its`,
		},
		"expired": {
			token: func(s *azureScene) entra.Token {
				return s.authority.Issue(azureKey(), entra.Machine{Tenant: azureTenant, Principal: azurePrincipal}, time.Unix(1_700_000_000, 0))
			},
			code: codes.InvalidArgument, class: "bad_evidence",
		},
		"authority is down": {
			scene: func(s *azureScene) { s.authority.Stop() },
			code:  codes.Unavailable, class: "unavailable",
		},
		"another tenant": {
			token: func(s *azureScene) entra.Token {
				return s.vm(func(m *entra.Machine) { m.Tenant = otherAzureTenant })
			},
			code: codes.PermissionDenied, class: "denied",
			reason: "resource_id: the token is for https://management.azure.com/, not for <undefined>; " +
				"tenant: tenant " + otherAzureTenant + " is not configured, in plugin_data or (once) in policy data",
		},
		"another audience": {
			token: func(s *azureScene) entra.Token {
				return s.vm(func(m *entra.Machine) { m.Audience = "https://management.azure.com" })
			},
			code: codes.PermissionDenied, class: "denied",
			reason: "resource_id: the token is for https://management.azure.com, not for https://management.azure.com/",
		},
		"a user": {
			token: func(s *azureScene) entra.Token {
				return s.vm().With("idtyp", "user").With("scp", "user_impersonation")
			},
			code: codes.PermissionDenied, class: "denied",
			reason: "token_kind: the token of principal " + azurePrincipal + ` is not an application's: idtyp user, scp ["user_impersonation"], oid ` + azurePrincipal,
		},
		"an application registration": {
			token: func(s *azureScene) entra.Token { return s.vm().Without("xms_mirid") },
			code:  codes.PermissionDenied, class: "denied",
			reason: "token_kind: the token of principal " + azurePrincipal + " for https://management.azure.com/ is not a machine's: xms_mirid <undefined>, xms_az_rid <undefined>",
		},
		"a container": {
			token: func(s *azureScene) entra.Token {
				return s.vm(func(m *entra.Machine) {
					m.ManagedIdentity = strings.ReplaceAll(azureVM, "Microsoft.Compute/virtualMachines", "Microsoft.ContainerInstance/containerGroups")
				})
			},
			code: codes.PermissionDenied, class: "denied",
		},
		"replay costs no call": {
			scene: func(s *azureScene) { s.store.add(azureAgentID) },
			code:  codes.PermissionDenied, class: "denied",
			reason: "tofu: agent " + azureAgentPath + " has attested before; evict it to let the machine attest again",
		},
		"the machine is gone": {
			scene: func(s *azureScene) { delete(s.manager.answers, "GET "+vmID) },
			code:  codes.PermissionDenied, class: "denied",
			reason: "virtual_machine: machine " + vmID + " of principal " + azurePrincipal + " is not there, or doesn't hold the token's identity",
			calls:  1,
		},
		"a machine made anew under the old name": {
			scene: func(s *azureScene) {
				s.manager.answers["GET "+vmID].(map[string]any)["identity"] = map[string]any{"principalId": azureApp}
			},
			code: codes.PermissionDenied, class: "denied",
			reason: "virtual_machine: machine " + vmID + " of principal " + azurePrincipal + " is not there, or doesn't hold the token's identity",
			calls:  1,
		},
		"Resource Manager refuses": {
			scene: func(s *azureScene) { s.manager.status = http.StatusForbidden },
			code:  codes.Unavailable, class: "unavailable",
			reason: "gather: fact network: read " + vmID + ": answered 403 (Refused); fact virtual_machine: read " + vmID + ": answered 403 (Refused)",
			calls:  1,
		},
		"another subscription": {
			config: `tenants { "` + azureTenant + `" { subscription_id = "` + azureApp + `" } }`,
			code:   codes.PermissionDenied, class: "denied",
			reason: "subscription: machine " + vmID + " is in subscription " + azureSub + ", not in " + azureApp,
		},
		"no credential where one is expected": {
			config: `tenants { "` + azureTenant + `" { subscription_id = "` + azureSub + `" } }`,
			scene:  func(s *azureScene) { s.noCredential = true },
			code:   codes.PermissionDenied, class: "denied",
			reason: "virtual_machine: machine " + vmID + " of principal " + azurePrincipal + " can't be looked up: there is no Azure credential, though one is expected",
		},
		"an API of one's own: no machine has the principal": {
			config: `tenants { "` + azureTenant + `" { resource_id = "api://gatehouse" } }`,
			scene: func(s *azureScene) {
				s.manager.answers["POST /providers/microsoft.resourcegraph/resources"] = map[string]any{"data": []any{}}
			},
			token: (*azureScene).nameless,
			code:  codes.PermissionDenied, class: "denied",
			reason: "virtual_machine: machine <undefined> of principal " + azurePrincipal + " is not there, or doesn't hold the token's identity",
			calls:  1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAzureScene(t)
			if tc.scene != nil {
				tc.scene(s)
			}
			if tc.config == "" {
				tc.config = azureConfig
			}
			s.configure(t, tc.config)
			token := s.vm()
			if tc.token != nil {
				token = tc.token(s)
			}
			signed := token.Sign()
			_, err := s.attest(t, azurePayload(t, signed))
			if status.Code(err) != tc.code {
				t.Fatalf("got code %v (%v), want %v", status.Code(err), err, tc.code)
			}
			if s.manager.asked() != tc.calls {
				t.Errorf("Resource Manager was asked %q, want %d calls", s.manager.calls, tc.calls)
			}
			line := s.refusal(t)
			if line["outcome"] != tc.class {
				t.Errorf("logged outcome %v, want %v", line["outcome"], tc.class)
			}
			if tc.reason != "" && line["reason"] != tc.reason {
				t.Errorf("logged reason\n%q, want\n%q", line["reason"], tc.reason)
			}
			// A token is a bearer credential for as long as it holds.
			if text := strings.ReplaceAll(asText(t, s.logs.all())+err.Error(), `\n`, ""); strings.Contains(text, signed[:40]) || strings.Contains(text, signed[len(signed)-40:]) {
				t.Errorf("the token is in the log: %s", text)
			}
		})
	}
}

// refusal is the one line about the attestation.
func (s *azureScene) refusal(t *testing.T) map[string]any {
	t.Helper()
	lines := slices.DeleteFunc(s.logs.all(), func(line map[string]any) bool { return line["msg"] != "Node attestation refused" })
	if len(lines) != 1 {
		t.Fatalf("%d refusals in the log, want one: %v", len(lines), s.logs.all())
	}
	return lines[0]
}

func (s *logSink) all() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

func asText(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
