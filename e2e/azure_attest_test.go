package e2e_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/azure"
)

// firstAzureAgent is the agent of the first machine, as the built-in attestor
// would have it.
func firstAzureAgent() spire.Agent {
	return spire.Agent{
		ID:              "spiffe://example.org/spire/agent/azure_msi/" + azureTenant + "/" + azurePrincipal,
		AttestationType: "azure_msi",
		Selectors: []string{
			"azure_msi:network-security-group:Net-RG:Web-NSG",
			"azure_msi:subscription-id:" + azureSubscription,
			"azure_msi:virtual-network-subnet:Net-RG:Main:front",
			"azure_msi:virtual-network:Net-RG:Main",
			"azure_msi:vm-name:Web-RG:Web-1",
		},
	}
}

// azureCalls are what its attestation costs.
func azureCalls(caller string) []azure.Call {
	group := "/subscriptions/" + azureSubscription + "/resourcegroups/web-rg/providers/"
	return []azure.Call{
		{Operation: "InterfacesClient.Get", Path: group + "microsoft.network/networkinterfaces/web-1-nic", Caller: caller},
		{Operation: "VirtualMachinesClient.Get", Path: group + "microsoft.compute/virtualmachines/web-1", Caller: caller},
	}
}

// TestAzureAgentAttests lets a stock agent fetch its token and attest, at a server
// that knows the machine by one credential or another, or by the token alone.
func TestAzureAgentAttests(t *testing.T) {
	t.Parallel()
	tokenAlone := firstAzureAgent()
	tokenAlone.Selectors = []string{tokenAlone.Selectors[1], tokenAlone.Selectors[4]}
	for _, tc := range []struct {
		name, data string
		inAzure    bool // the server is, with a managed identity of its own
		want       spire.Agent
		calls      []azure.Call
	}{
		{"application", azureSecret, false, firstAzureAgent(), azureCalls("app " + stage.AppID)},
		{"managed identity", azureBare, true, firstAzureAgent(), azureCalls("machine spire-server")},
		{"no credential, no metadata service", azureBare, false, tokenAlone, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cloud := newAzure(t)
			var s azureScene
			if tc.inAzure {
				s = startAzureServer(t, cloud, azureBlock(t, tc.data), cloud.VM("spire-server", azureServerPrincipal).Metadata)
			} else {
				s = startAzureServer(t, cloud, azureBlock(t, tc.data), nil)
			}
			id, err := s.agent(t, s.vm("Web-1", azurePrincipal), "").Attested(t.Context())
			if err != nil {
				t.Fatalf("%v\nserver:\n%s", err, s.server.Log.Tail(15))
			}
			if id != tc.want.ID {
				t.Errorf("agent ID: got %s, want %s", id, tc.want.ID)
			}
			if got := s.agents(t); !reflect.DeepEqual(got, []spire.Agent{tc.want}) {
				t.Errorf("agents: got %+v, want %+v", got, tc.want)
			}
			if got := s.Manager.Calls(); !reflect.DeepEqual(got, tc.calls) {
				t.Errorf("Resource Manager: got %+v, want %+v", got, tc.calls)
			}
			said := strings.Count(strings.Join(s.server.Log.Lines(0), "\n"), "no Azure credential for tenant")
			if want := map[bool]int{true: 1}[tc.calls == nil]; said != want {
				t.Errorf("the log says %d times that there is no credential, want %d", said, want)
			}
		})
	}
}

// azureServerPrincipal is the identity of the SPIRE server's own machine.
const azureServerPrincipal = "11111111-2222-4333-8444-555555555555"
