package azure

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	computefake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	networkfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9/fake"
	graphfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
	resourcesfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3/fake"
)

// fakes are the SDK's fake servers over what the Manager knows.
func (m *Manager) fakes() map[string]transport {
	return map[string]transport{
		"VirtualMachinesClient": computefake.NewVirtualMachinesServerTransport(&computefake.VirtualMachinesServer{
			Get: func(ctx context.Context, _, _ string, _ *armcompute.VirtualMachinesClientGetOptions) (resp fake.Responder[armcompute.VirtualMachinesClientGetResponse], problem fake.ErrorResponder) {
				vm, problem := look(ctx, m, m.machines)
				resp.SetResponse(http.StatusOK, armcompute.VirtualMachinesClientGetResponse{VirtualMachine: vm}, nil)
				return resp, problem
			},
			NewListPager: func(group string, _ *armcompute.VirtualMachinesClientListOptions) (resp fake.PagerResponder[armcompute.VirtualMachinesClientListResponse]) {
				page := armcompute.VirtualMachinesClientListResponse{}
				for _, vm := range listed(m, m.machines, group) {
					vm.ID = new(respell(*vm.ID, strings.ToUpper)) // as Azure does in lists of machines
					page.Value = append(page.Value, vm)
				}
				resp.AddPage(http.StatusOK, page, nil)
				return resp
			},
		}),
		"VirtualMachineScaleSetVMsClient": computefake.NewVirtualMachineScaleSetVMsServerTransport(&computefake.VirtualMachineScaleSetVMsServer{
			Get: func(ctx context.Context, _, _, _ string, _ *armcompute.VirtualMachineScaleSetVMsClientGetOptions) (resp fake.Responder[armcompute.VirtualMachineScaleSetVMsClientGetResponse], problem fake.ErrorResponder) {
				vm, problem := look(ctx, m, m.instances)
				resp.SetResponse(http.StatusOK, armcompute.VirtualMachineScaleSetVMsClientGetResponse{VirtualMachineScaleSetVM: vm}, nil)
				return resp, problem
			},
		}),
		"InterfacesClient": networkfake.NewInterfacesServerTransport(&networkfake.InterfacesServer{
			Get: func(ctx context.Context, _, _ string, _ *armnetwork.InterfacesClientGetOptions) (resp fake.Responder[armnetwork.InterfacesClientGetResponse], problem fake.ErrorResponder) {
				nic, problem := look(ctx, m, m.interfaces)
				resp.SetResponse(http.StatusOK, armnetwork.InterfacesClientGetResponse{Interface: nic}, nil)
				return resp, problem
			},
			NewListPager: func(group string, _ *armnetwork.InterfacesClientListOptions) (resp fake.PagerResponder[armnetwork.InterfacesClientListResponse]) {
				page := armnetwork.InterfacesClientListResponse{}
				page.Value = listed(m, m.interfaces, group)
				resp.AddPage(http.StatusOK, page, nil)
				return resp
			},
			GetVirtualMachineScaleSetNetworkInterface: func(ctx context.Context, _, _, _, _ string, _ *armnetwork.InterfacesClientGetVirtualMachineScaleSetNetworkInterfaceOptions) (resp fake.Responder[armnetwork.InterfacesClientGetVirtualMachineScaleSetNetworkInterfaceResponse], problem fake.ErrorResponder) {
				nic, problem := look(ctx, m, m.interfaces)
				resp.SetResponse(http.StatusOK, armnetwork.InterfacesClientGetVirtualMachineScaleSetNetworkInterfaceResponse{Interface: nic}, nil)
				return resp, problem
			},
		}),
		"GraphClient": graphfake.NewServerTransport(&graphfake.Server{Resources: m.query}),
	}
}

// listFilter is the one filter of lists that is answered: SPIRE's.
var listFilter = regexp.MustCompile(`^resourceType eq 'Microsoft\.Compute/virtualMachines' and identity/principalId eq '([^']+)'$`)

// lister lists the resources of a subscription, of which its functions are not
// told.
func (m *Manager) lister(subscription string) transport {
	list := func(o *armresources.ClientListOptions) (resp fake.PagerResponder[armresources.ClientListResponse]) {
		if o == nil || o.Filter == nil || listFilter.FindStringSubmatch(*o.Filter) == nil {
			resp.AddResponseError(http.StatusBadRequest, "InvalidFilterInQueryString")
			return resp
		}
		var page armresources.ClientListResponse
		for _, id := range m.holders(subscription, listFilter.FindStringSubmatch(*o.Filter)[1]) {
			page.Value = append(page.Value, &armresources.GenericResourceExpanded{ID: &id})
		}
		resp.AddPage(http.StatusOK, page, nil)
		return resp
	}
	return resourcesfake.NewServerTransport(&resourcesfake.Server{NewListPager: list})
}

// respell spells the resource group of an ID in another way, which to Azure is the
// same.
func respell(id string, how func(string) string) string {
	parts := strings.Split(id, "/")
	parts[4] = how(parts[4])
	return strings.Join(parts, "/")
}

// listed are the resources of a group, all on one page.
func listed[T any](m *Manager, in map[string]T, group string) []*T {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []*T{}
	for _, id := range slices.Sorted(maps.Keys(in)) {
		if resource := in[id]; strings.Contains(id, "/resourcegroups/"+strings.ToLower(group)+"/") {
			all = append(all, &resource)
		}
	}
	return all
}
