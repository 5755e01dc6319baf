package azuremsi

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// listAll reads the pages of a list. What can't be converted is left out: it is
// read by its ID then, with an error that is its own.
func listAll[P, R, T any](ctx context.Context, pager *runtime.Pager[P], items func(P) []*R, id func(R) *string, convert func(ResourceID, R) (T, error)) (map[string]T, error) {
	all := map[string]T{}
	for pages := 0; pager.More(); pages++ {
		if pages == maxListPages {
			return nil, fmt.Errorf("a list of more than %d pages", maxListPages)
		}
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, short(err)
		}
		for _, item := range items(page) {
			of, err := parseResourceID(value(id(value(item))))
			if err != nil {
				continue
			}
			if converted, err := convert(of, *item); err == nil {
				all[of.ID] = converted
			}
		}
	}
	return all, nil
}

// listMachines lists the virtual machines of a resource group, or the instances of
// a scale set.
func (m resourceManager) listMachines(ctx context.Context, key listKey) (map[string]machine, error) {
	clients, err := m.clients(ctx, key.batchGroup)
	if err != nil {
		return nil, err
	}
	if key.scaleSet != "" {
		client, err := clients.instances()
		if err != nil {
			return nil, err
		}
		return listAll(ctx, client.NewListPager(key.resourceGroup, key.scaleSet, nil),
			func(p armcompute.VirtualMachineScaleSetVMsClientListResponse) []*armcompute.VirtualMachineScaleSetVM {
				return p.Value
			},
			func(vm armcompute.VirtualMachineScaleSetVM) *string { return vm.ID }, machineOfInstance)
	}
	client, err := clients.machines()
	if err != nil {
		return nil, err
	}
	return listAll(ctx, client.NewListPager(key.resourceGroup, nil),
		func(p armcompute.VirtualMachinesClientListResponse) []*armcompute.VirtualMachine { return p.Value },
		func(vm armcompute.VirtualMachine) *string { return vm.ID }, machineOfVM)
}

// listInterfaces lists the network interfaces of a resource group, or of the
// instances of a scale set.
func (m resourceManager) listInterfaces(ctx context.Context, key listKey) (map[string]NetworkInterface, error) {
	clients, err := m.clients(ctx, key.batchGroup)
	if err != nil {
		return nil, err
	}
	client, err := clients.interfaces()
	if err != nil {
		return nil, err
	}
	id := func(nic armnetwork.Interface) *string { return nic.ID }
	if key.scaleSet != "" {
		return listAll(ctx, client.NewListVirtualMachineScaleSetNetworkInterfacesPager(key.resourceGroup, key.scaleSet, nil),
			func(p armnetwork.InterfacesClientListVirtualMachineScaleSetNetworkInterfacesResponse) []*armnetwork.Interface {
				return p.Value
			},
			id, interfaceOf)
	}
	return listAll(ctx, client.NewListPager(key.resourceGroup, nil),
		func(p armnetwork.InterfacesClientListResponse) []*armnetwork.Interface { return p.Value }, id, interfaceOf)
}

// respelt is a machine of a list with its scale set spelt as it would be if the
// instance had been read by its ID.
func respelt(m machine, asked ResourceID) machine {
	if set := m.vm.ScaleSet; set != nil && asked.isInstance() {
		same := *set
		same.ResourceGroup, same.Name = asked.ResourceGroup, asked.names()[0]
		m.vm.ScaleSet = &same
	}
	return m
}
