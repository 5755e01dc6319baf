package testlog

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// azureFleet is virtual machines in two tenants, one of which is configured.
type azureFleet struct{ machines []*azureMachine }

type azureMachine struct {
	claims   any
	node     string
	ip       netip.Addr
	vm       azuremsi.VirtualMachine
	network  azuremsi.Network
	attested bool
}

var azureTenants = []string{"9e85e111-1103-48fc-a933-9533fe47de05", "dd14e835-679a-4703-b4de-8f00a20c732e"}

// newAzureFleet has each machine's token signed, and verified.
func newAzureFleet(ctx context.Context, random *rand.Rand, count int) (*azureFleet, error) {
	key := entra.NewKey("key-a")
	signer := entra.New(key)
	cloud, err := azuremsi.NewCloud(azuremsi.CloudConfig{})
	if err != nil {
		return nil, err
	}
	collector, err := azuremsi.New(azuremsi.Options{Cloud: cloud, HTTPClient: &http.Client{Transport: signer}, Now: func() time.Time { return Begin }})
	if err != nil {
		return nil, err
	}
	fleet := &azureFleet{}
	for i := range count {
		tenant := azureTenants[random.IntN(20)/19]
		subscription := one(random, "0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11", "1b8e6c4d-3c9f-5d2a-8a7c-1e0b7a3a5f22")
		group, name := one(random, "web-rg", "data-rg"), fmt.Sprintf("vm-%d", i)
		id := "/subscriptions/" + subscription + "/resourcegroups/" + group + "/providers/microsoft.compute/virtualmachines/" + name
		principal := fmt.Sprintf("%08x-5bfa-4b22-a3f3-%012x", random.Uint32(), random.Uint64N(1<<48))
		token := signer.Issue(key, entra.Machine{Tenant: tenant, Principal: principal, ManagedIdentity: id}, Begin)
		payload, err := json.Marshal(map[string]string{"token": token.Sign()})
		if err != nil {
			return nil, err
		}
		verified, err := collector.Verify(ctx, payload)
		if err != nil {
			return nil, err
		}
		net := "/subscriptions/" + subscription + "/resourcegroups/net-rg/providers/microsoft.network/"
		nsg := azuremsi.SecurityGroup{ID: net + "networksecuritygroups/" + group, ResourceGroup: "net-rg", Name: group}
		fleet.machines = append(fleet.machines, &azureMachine{
			claims: verified.Claims(), node: verified.Identity(), ip: netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i)}),
			vm: azuremsi.VirtualMachine{
				ID: id, SubscriptionID: subscription, ResourceGroup: group, Name: name, Location: one(random, "westeurope", "eastus"),
				Tags: map[string]string{"env": one(random, "prod", "dev")}, ProvisioningState: "Succeeded",
			},
			network: azuremsi.Network{
				Interfaces:      []azuremsi.NetworkInterface{{ID: net + "networkinterfaces/" + name, SubscriptionID: subscription, ResourceGroup: "net-rg", Name: name, Primary: true, SecurityGroup: &nsg}},
				SecurityGroups:  []azuremsi.SecurityGroup{nsg},
				VirtualNetworks: []azuremsi.VirtualNetwork{{ID: net + "virtualnetworks/main", ResourceGroup: "net-rg", Name: "main"}},
				Subnets:         []azuremsi.Subnet{{ID: net + "virtualnetworks/main/subnets/front", ResourceGroup: "net-rg", VirtualNetwork: "main", Name: "front"}},
			},
		})
	}
	return fleet, nil
}

// configs has one tenant, in both halves.
func (*azureFleet) configs() [2]map[string]any {
	config := map[string]any{"tenants": map[string]any{azureTenants[0]: map[string]any{
		"resource_id": entra.ResourceManager, "subscription_id": "", "app_id": "", "credential": "default",
	}}}
	return [2]map[string]any{config, config}
}

func (f *azureFleet) attempt(random *rand.Rand, now time.Time) attempt {
	m := one(random, f.machines...)
	again := m.attested && chance(random, 60)
	m.attested = true
	return attempt{node: m.node, input: rego.Input{
		Plugin: "azure_msi", TrustDomain: TrustDomain, Time: now, PeerIP: m.ip, Evidence: m.claims,
		Tofu:  &rego.Tofu{Attested: again},
		Facts: map[string]any{"virtual_machine": m.vm, "network": m.network}, FactsStatus: map[string]string{},
	}}
}
