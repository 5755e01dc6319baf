package azuremsi_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// byID is the one form of query for resources.
var byID = regexp.MustCompile(`^resources \| where type =~ '([a-z./]+)' \| where id in~ \(('[^']+'(?:, '[^']+')*)\) \| project id, name, location, zones, tags, identity, properties$`)

// answerGraph has Resource Graph answer with what Resource Manager knows, but for
// what it lacks.
func (a *azure) answerGraph(t testing.TB, lacks func(id string) bool) {
	a.graph = func(q armresourcegraph.QueryRequest) (any, error) {
		parts := byID.FindStringSubmatch(*q.Query)
		if parts == nil || len(q.Subscriptions) != 1 {
			t.Errorf("query %s of %d subscriptions", *q.Query, len(q.Subscriptions))
			return nil, fmt.Errorf("odd query")
		}
		ids := strings.Split(strings.Trim(parts[2], "'"), "', '")
		if len(ids) > 200 {
			t.Errorf("%d IDs in a query", len(ids))
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		rows := []any{}
		for i := len(ids) - 1; i >= 0; i-- { // in no order
			if lacks != nil && lacks(ids[i]) {
				continue
			}
			if vm, ok := a.vms[ids[i]]; ok && parts[1] == "microsoft.compute/virtualmachines" {
				rows = append(rows, row(t, vm))
			}
			if nic, ok := a.interfaces[ids[i]]; ok && parts[1] == "microsoft.network/networkinterfaces" {
				rows = append(rows, row(t, nic))
			}
		}
		return rows, nil
	}
}

// row is a resource as Resource Graph gives it: what it lacks is null.
func row(t testing.TB, resource any) map[string]any {
	t.Helper()
	data, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	columns := map[string]any{}
	for _, name := range []string{"id", "name", "location", "zones", "tags", "identity", "properties"} {
		columns[name] = all[name]
	}
	// It writes groups in another way than Resource Manager, and than tokens.
	id := strings.NewReplacer("/Web-RG/", "/wEB-rG/", "/web-rg/", "/wEB-rG/").Replace(fmt.Sprint(columns["id"]))
	columns["id"] = id
	return columns
}

// member is the i-th machine of a fleet, with one interface.
func member(i int) (entra.Machine, armcompute.VirtualMachine, armnetwork.Interface) {
	principal := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
	id := strings.Replace(vmID, "Web-1", fmt.Sprint("Web-", 1000+i), 1)
	nicID := strings.Replace(nicID, "web-1-nic", fmt.Sprint("nic-", 1000+i), 1)
	vm := machine()
	vm.ID, vm.Name = &id, nil
	vm.Identity = &armcompute.VirtualMachineIdentity{PrincipalID: &principal}
	properties := *vm.Properties
	properties.NetworkProfile = &armcompute.NetworkProfile{NetworkInterfaces: []*armcompute.NetworkInterfaceReference{{ID: &nicID}}}
	vm.Properties = &properties
	return entra.Machine{Tenant: tenantID, Principal: principal, ManagedIdentity: id}, vm, nic(nicID, "front", fmt.Sprintf("10.0.%d.%d", i/250, i%250), nil)
}

// addFleet makes Resource Manager know so many machines, of which each second has a
// token that names it in lower case.
func (a *azure) addFleet(n int) []entra.Machine {
	var fleet []entra.Machine
	for i := range n {
		token, vm, nic := member(i)
		a.vms[strings.ToLower(*vm.ID)] = vm
		a.interfaces[strings.ToLower(*nic.ID)] = nic
		if i%2 == 1 {
			token.ManagedIdentity = strings.ToLower(token.ManagedIdentity)
		}
		fleet = append(fleet, token)
	}
	return fleet
}
