package e2e_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// TestAzureReferenceSample runs the sample configuration of the reference as it
// is, upper-case tenant IDs and all, with Gatehouse's three lines added. Stock
// agents of both its tenants attest, whose tokens have the tenant in lower case.
func TestAzureReferenceSample(t *testing.T) {
	t.Parallel()
	s := startAzureServer(t, newAzure(t), referenceSample(t), nil)

	id, err := s.agent(t, s.VM("Web-1", azurePrincipal), "").Attested(t.Context())
	if want := firstAzureAgent().ID; err != nil || id != want {
		t.Errorf("got %s, %v, want %s", id, err, want)
	}
	const custom = "http://example.org/app/"
	vm := s.VM("Web-2", azureNumbered(2))
	vm.Metadata.Identity.Tenant = azureOtherTenant
	vm.Metadata.Resources = []string{custom}
	id, err = s.agent(t, vm, `resource_id = "`+custom+`"`).Attested(t.Context())
	if want := "spiffe://example.org/spire/agent/azure_msi/" + azureOtherTenant + "/" + azureNumbered(2); err != nil || id != want {
		t.Errorf("got %s, %v, want %s", id, err, want)
	}
	// The second agent's token is for an application of one's own: it proves the
	// principal, and no selectors.
	selectors := map[string][]string{}
	for _, agent := range s.agents(t) {
		selectors[agent.ID] = agent.Selectors
	}
	want := map[string][]string{
		id:                   nil,
		firstAzureAgent().ID: {"azure_msi:subscription-id:" + azureSubscription, "azure_msi:vm-name:Web-RG:Web-1"},
	}
	if !reflect.DeepEqual(selectors, want) {
		t.Errorf("selectors: got %v, want %v", selectors, want)
	}
}

// referenceSample is the NodeAttestor block of the reference, with Gatehouse's lines
// after its first.
func referenceSample(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../attestor/plugindata/testdata/spire/azure_tenants/server.conf")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := repo.Checksum(binary)
	if err != nil {
		t.Fatal(err)
	}
	const head = `NodeAttestor "azure_msi" {` + "\n"
	_, block, ok := strings.Cut(string(text), head)
	if !ok || !strings.Contains(block, `"9E85E111-1103-48FC-A933-9533FE47DE05" = {}`) {
		t.Fatalf("not the reference's sample:\n%s", text)
	}
	block = strings.TrimSuffix(strings.TrimSpace(block), "}") // of plugins
	return head + fmt.Sprintf("plugin_cmd = %q\nplugin_args = [\"azure_msi\"]\nplugin_checksum = %q\n", binary, sum) + block
}

// TestAzurePrivateCloud configures an authority and a Resource Manager at addresses
// of their own. Nothing goes to Azure's: there is no way there.
func TestAzurePrivateCloud(t *testing.T) {
	t.Parallel()
	cloud := newAzure(t)
	cloud.MakePrivate()
	data := azureSecret + fmt.Sprintf("\nauthority = %q\nresource_manager = %q\nresource_manager_audience = \"https://management.azure.com/\"\n",
		cloud.Site.URL, cloud.Site.URL)
	env, err := cloud.ServerEnv(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	env = append(env, "HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1")
	server := startServer(t, spire.ServerConfig{NodeAttestors: azureBlock(t, data), Env: env})
	s := azureScene{cloud, running{server}}
	vm := s.vm("Web-1", azurePrincipal)
	if issuer := s.Token(vm.Metadata.Identity).Claims["iss"]; issuer != cloud.Site.URL+"/"+azureTenant+"/" {
		t.Fatalf("the token's issuer is %v", issuer)
	}
	if _, err := s.agent(t, vm, "").Attested(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, server.Log.Tail(10))
	}
	if got := s.agents(t); !reflect.DeepEqual(got, []spire.Agent{firstAzureAgent()}) {
		t.Errorf("agents: %+v", got)
	}
	if got, want := s.Manager.Calls(), azureCalls("app "+stage.AppID); !reflect.DeepEqual(got, want) {
		t.Errorf("Resource Manager: got %+v, want %+v", got, want)
	}
}
