package attestor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
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
	s.plugin = serveKind(t, within(testwait.Patience, s.kind()), s.store)
	return s
}

// arrangeAzure makes a scene with a configuration, azureConfig if empty, with what is
// changed in it, and with the token of one of its machines, the usual one's if nil.
func arrangeAzure(t *testing.T, config string, change func(*azureScene), pick func(*azureScene) entra.Token) (*azureScene, entra.Token) {
	t.Helper()
	s := newAzureScene(t)
	if change != nil {
		change(s)
	}
	if config == "" {
		config = azureConfig
	}
	s.configure(t, config)
	if pick == nil {
		return s, s.vm()
	}
	return s, pick(s)
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

// sampleAzureConfig is the reference's sample as SPIRE hands it over.
func sampleAzureConfig(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("plugindata", "testdata", "spire", "azure_tenants", "plugin_data"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
