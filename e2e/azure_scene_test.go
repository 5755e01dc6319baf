package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

const (
	azureTenant       = "9e85e111-1103-48fc-a933-9533fe47de05"
	azureOtherTenant  = "dd14e835-679a-4703-b4de-8f00a20c732e"
	azureSubscription = "0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11"
	azurePrincipal    = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"
)

// Configurations of the server: without anything, and with an application's secret.
const (
	azureBare   = `            tenants = { "` + azureTenant + `" = {} }`
	azureSecret = `            tenants = {
                "` + azureTenant + `" = {
                    subscription_id = "` + azureSubscription + `"
                    app_id = "` + stage.AppID + `"
                    app_secret = "` + stage.AppSecret + `"
                }
            }`
)

// azureScene is an Azure and a real SPIRE server that runs an attestor against it.
type azureScene struct {
	*stage.Azure
	running
}

func newAzure(t *testing.T) *stage.Azure {
	t.Helper()
	cloud, err := stage.NewAzure(t.Context(), t.TempDir(), azureTenant, azureSubscription)
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

// startAzure starts a server outside of Azure with Gatehouse and this plugin_data.
func startAzure(t *testing.T, pluginData string) azureScene {
	t.Helper()
	return startAzureServer(t, newAzure(t), azureBlock(t, pluginData), nil)
}

// azureBlock loads Gatehouse.
func azureBlock(t *testing.T, pluginData string) string {
	t.Helper()
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	block, err := stage.AzurePlugin(binary, pluginData)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// startAzureServer starts a server with this NodeAttestor block, on a machine with
// that metadata service.
func startAzureServer(t *testing.T, cloud *stage.Azure, block string, metadata http.Handler) azureScene {
	t.Helper()
	env, err := cloud.ServerEnv(t.Context(), metadata)
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, spire.ServerConfig{NodeAttestors: block, Env: env})
	return azureScene{cloud, running{server}}
}

// vm is a machine that Resource Manager knows.
func (s azureScene) vm(name, principal string) stage.VM {
	vm := s.VM(name, principal)
	s.Put(vm)
	return vm
}

// agent starts a real agent on the machine, with its own azure_msi plugin.
func (s azureScene) agent(t *testing.T, vm stage.VM, pluginData string) *spire.AgentProcess {
	t.Helper()
	env, err := stage.AzureAgentEnv(t.Context(), vm.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	agent, err := s.server.StartAgent(t.Context(), spire.AgentConfig{
		NodeAttestor: `    NodeAttestor "azure_msi" { plugin_data { ` + pluginData + ` } }`, Env: env,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agent.Stop)
	return agent
}

// attest sends a token as an agent does.
func (s azureScene) attest(t *testing.T, token entra.Token) (spire.SVID, error) {
	t.Helper()
	return s.server.Attest(t.Context(), "azure_msi", azurePayload(t, token))
}

func azurePayload(t *testing.T, token entra.Token) []byte {
	t.Helper()
	payload, err := json.Marshal(map[string]string{"token": token.Sign()})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
