package azure

import (
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// PutMachine makes Resource Manager know a virtual machine, by its ID.
func (m *Manager) PutMachine(vm armcompute.VirtualMachine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.machines[strings.ToLower(*vm.ID)] = vm
}

// PutInstance makes it know an instance of a scale set, by its ID.
func (m *Manager) PutInstance(vm armcompute.VirtualMachineScaleSetVM) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.instances[strings.ToLower(*vm.ID)] = vm
}

// PutInterface makes it know a network interface, of a machine or of an instance
// of a scale set, by its ID.
func (m *Manager) PutInterface(nic armnetwork.Interface) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interfaces[strings.ToLower(*nic.ID)] = nic
}

// holders are the IDs of the virtual machines whose system-assigned identity is
// the principal, in a subscription or, if that is "", in all.
func (m *Manager) holders(subscription, principal string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id, vm := range m.machines {
		if subscription != "" && !strings.HasPrefix(id, "/subscriptions/"+strings.ToLower(subscription)+"/") {
			continue
		}
		if vm.Identity != nil && vm.Identity.PrincipalID != nil && strings.EqualFold(*vm.Identity.PrincipalID, principal) {
			ids = append(ids, *vm.ID)
		}
	}
	return ids
}
