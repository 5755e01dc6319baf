package azuremsi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestGatherAbsent has tokens of something else than a machine that holds their
// identity. None may lead to a search: it would find another machine.
func TestGatherAbsent(t *testing.T) {
	group := strings.Replace(vmID, "Compute/virtualMachines", "ContainerInstance/containerGroups", 1)
	for name, test := range map[string]struct {
		token   entra.Machine
		arrange func(a *azure)
		want    string
		calls   int
	}{
		"another machine, which has no identity": {vm(), func(a *azure) { edit(a, func(vm *armcompute.VirtualMachine) { vm.Identity = nil }) },
			"absent: " + strings.ToLower(vmID) + " does not hold the identity " + principalID + ", which the token is of", 1},
		"a machine made anew": {vm(), func(a *azure) {
			edit(a, func(vm *armcompute.VirtualMachine) {
				vm.Identity = &armcompute.VirtualMachineIdentity{PrincipalID: ptr(otherTenant)}
			})
		},
			"absent: " + strings.ToLower(vmID) + " does not hold the identity " + principalID + ", which the token is of", 1},
		"a user's identity that another machine has": {entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID, AzureResource: vmID}, func(*azure) {},
			"absent: " + strings.ToLower(vmID) + " does not hold the identity " + principalID + ", which the token is of", 1},
		"a user's identity with another object ID": {entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID, AzureResource: vmID}, func(a *azure) {
			edit(a, func(vm *armcompute.VirtualMachine) {
				vm.Identity = &armcompute.VirtualMachineIdentity{UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{identityID: {PrincipalID: ptr(otherTenant)}}}
			})
		},
			"absent: " + strings.ToLower(vmID) + " does not hold the identity " + principalID + ", which the token is of", 1},
		"a machine that is gone": {vm(), func(a *azure) { clear(a.vms) }, "read " + strings.ToLower(vmID) + ": not found (ResourceNotFound)", 1},
		"a scale set": {entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: scaleSetID}, func(*azure) {},
			"absent: the token names a scale set, " + strings.ToLower(scaleSetID) + ", and not its instance", 0},
		"a container group": {entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: group}, func(*azure) {},
			"absent: the token names " + strings.ToLower(group) + ", which is not a virtual machine", 0},
		"a container group with a user's identity": {entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID, AzureResource: group}, func(*azure) {},
			"absent: the token names no machine, only the identity " + strings.ToLower(identityID), 0},
		"only a user's identity": {entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID}, func(*azure) {},
			"absent: the token names no machine, only the identity " + strings.ToLower(identityID), 0},
		"only another resource": {entra.Machine{Tenant: tenantID, Principal: principalID, AzureResource: group}, func(*azure) {},
			"absent: the token names " + strings.ToLower(group) + ", which is not a virtual machine", 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := usual(t)
			test.arrange(a)
			authority, c := collectorFor(t, a)
			for fact, got := range gather(t, authority, c, authority.Issue(keys().a, test.token, now)) {
				if got.Status != evidence.StatusAbsent || got.Value != nil || got.Err.Error() != test.want {
					t.Errorf("%s: got %+v\nwant %s", fact, got, test.want)
				}
			}
			if calls := a.asked(); len(calls) != test.calls {
				t.Errorf("calls %q", calls)
			}
		})
	}
}

// TestGatherFails has answers from which nothing can be learned.
func TestGatherFails(t *testing.T) {
	read := "read " + strings.ToLower(vmID) + ": "
	answer := "answer for " + strings.ToLower(vmID) + ": "
	for name, test := range map[string]struct {
		arrange  func(a *azure)
		vm, want string // of each fact
	}{
		"no rights":       {func(a *azure) { a.status = http.StatusForbidden }, read + "answered 403 (Refused)", read + "answered 403 (Refused)"},
		"another machine": {func(a *azure) { edit(a, func(vm *armcompute.VirtualMachine) { vm.ID = ptr(vmID + "0") }) }, answer + "asked for " + strings.ToLower(vmID) + ", answered " + strings.ToLower(vmID) + "0", ""},
		"two zones": {func(a *azure) {
			edit(a, func(vm *armcompute.VirtualMachine) { vm.Zones = []*string{ptr("1"), ptr("2")} })
		}, answer + "2 zones, where a machine has one", ""},
		"a location with a NUL": {func(a *azure) { edit(a, func(vm *armcompute.VirtualMachine) { vm.Location = ptr("a\x00") }) }, answer + `location has a control character`, ""},
		"many tags": {func(a *azure) {
			edit(a, func(vm *armcompute.VirtualMachine) {
				vm.Tags = map[string]*string{}
				for i := range 101 {
					vm.Tags[fmt.Sprint(i)] = nil
				}
			})
		}, answer + "101 tags, more than 100", ""},
		"many interfaces": {func(a *azure) {
			edit(a, func(vm *armcompute.VirtualMachine) {
				vm.Properties = &armcompute.VirtualMachineProperties{NetworkProfile: &armcompute.NetworkProfile{NetworkInterfaces: make([]*armcompute.NetworkInterfaceReference, 65)}}
			})
		}, answer + "65 network interfaces, more than 64", ""},
		"an interface that is none": {func(a *azure) {
			edit(a, func(vm *armcompute.VirtualMachine) {
				vm.Properties = &armcompute.VirtualMachineProperties{NetworkProfile: &armcompute.NetworkProfile{NetworkInterfaces: []*armcompute.NetworkInterfaceReference{{ID: ptr(vmID)}}}}
			})
		}, answer + "network interface: " + strings.ToLower(vmID) + " is not one", ""},
		"a scale set that is none": {func(a *azure) {
			edit(a, func(vm *armcompute.VirtualMachine) {
				vm.Properties = &armcompute.VirtualMachineProperties{VirtualMachineScaleSet: &armcompute.SubResource{ID: ptr(vmID)}}
			})
		}, answer + "scale set: " + strings.ToLower(vmID) + " is not one", ""},
		"an interface is gone": {func(a *azure) { delete(a.interfaces, strings.ToLower(nicID)) }, "",
			"network of " + strings.ToLower(vmID) + ": read " + strings.ToLower(nicID) + ": not found (ResourceNotFound)"},
		"a subnet that is none": {func(a *azure) {
			n := nic(nicID, "front", "10.0.0.4", nil)
			n.Properties.IPConfigurations[0].Properties.Subnet.ID = ptr(networkID)
			a.interfaces[strings.ToLower(nicID)] = n
		}, "", "network of " + strings.ToLower(vmID) + ": answer for " + strings.ToLower(nicID) + ": subnet: " + strings.ToLower(networkID) + " is not one"},
	} {
		t.Run(name, func(t *testing.T) {
			a := usual(t)
			test.arrange(a)
			authority, c := collectorFor(t, a)
			if test.want == "" {
				test.want = test.vm
			}
			got := gather(t, authority, c, authority.Issue(keys().a, vm(), now))
			for fact, want := range map[string]string{"virtual_machine": test.vm, "network": test.want} {
				switch {
				case want == "":
					if got[fact].Status != evidence.StatusKnown {
						t.Errorf("%s: %+v", fact, got[fact])
					}
				case got[fact].Status != evidence.StatusError || got[fact].Err.Error() != want:
					t.Errorf("%s:\n got %+v\nwant %s", fact, got[fact], want)
				}
			}
		})
	}
}
