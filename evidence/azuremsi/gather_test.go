package azuremsi_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

var both = []string{"network", "virtual_machine"}

// gather verifies a token and gathers both facts.
func gather(t testing.TB, authority *entra.Authority, c *azuremsi.Collector, token entra.Token) map[string]evidence.Fact {
	t.Helper()
	ev, problem := verify(t, c, token.Sign())
	if problem != "" {
		t.Fatal(problem)
	}
	return ev.Gather(t.Context(), both)
}

func collectorFor(t testing.TB, a *azure, change ...func(*azuremsi.Options)) (*entra.Authority, *azuremsi.Collector) {
	t.Helper()
	authority := entra.New(keys().a)
	return authority, newCollector(t, authority, append([]func(*azuremsi.Options){a.with}, change...)...)
}

func wantVM() azuremsi.VirtualMachine {
	return azuremsi.VirtualMachine{
		ID:                strings.ToLower(vmID),
		SubscriptionID:    subscription,
		ResourceGroup:     "Web-RG",
		Name:              "Web-1",
		VMID:              "f5e3c9d2-3f4e-4d0a-9c1b-0a1b2c3d4e5f",
		Location:          "westeurope",
		Zone:              "2",
		Size:              "Standard_D2s_v3",
		Tags:              map[string]string{"Environment": "production", "empty": ""},
		ProvisioningState: "Succeeded",
		CreatedAt:         now.Add(-time.Hour),
	}
}

func wantNetwork() azuremsi.Network {
	group := azuremsi.SecurityGroup{ID: strings.ToLower(groupID), ResourceGroup: "Net-RG", Name: "Web-NSG"}
	subnet := func(name string) azuremsi.Subnet {
		return azuremsi.Subnet{ID: strings.ToLower(networkID) + "/subnets/" + name, ResourceGroup: "Net-RG", VirtualNetwork: "Main", Name: name}
	}
	return azuremsi.Network{
		Interfaces: []azuremsi.NetworkInterface{
			{
				ID: strings.ToLower(nicID), SubscriptionID: subscription, ResourceGroup: "web-rg", Name: "web-1-nic", Primary: true,
				MACAddress: "00-0D-3A-11-22-33", PrivateIPs: []string{"10.0.0.4"}, SecurityGroup: &group, Subnets: []azuremsi.Subnet{subnet("front")},
			},
			{
				ID: strings.ToLower(foreignNICID), SubscriptionID: otherSub, ResourceGroup: "Common", Name: "backup-nic",
				MACAddress: "00-0D-3A-11-22-33", PrivateIPs: []string{"10.0.1.4"}, Subnets: []azuremsi.Subnet{subnet("back")},
			},
		},
		SecurityGroups:  []azuremsi.SecurityGroup{group},
		VirtualNetworks: []azuremsi.VirtualNetwork{{ID: strings.ToLower(networkID), ResourceGroup: "Net-RG", Name: "Main"}},
		Subnets:         []azuremsi.Subnet{subnet("back"), subnet("front")},
	}
}

// TestGather reads what the token names, the second interface in a subscription
// of its own.
func TestGather(t *testing.T) {
	a := usual(t)
	authority, c := collectorFor(t, a)
	want := map[string]evidence.Fact{
		"virtual_machine": evidence.Known(wantVM()),
		"network":         evidence.Known(wantNetwork()),
	}
	if got := gather(t, authority, c, authority.Issue(keys().a, vm(), now)); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	calls := a.asked()
	slices.Sort(calls)
	wantCalls := []string{
		"InterfacesClient.Get " + strings.ToLower(nicID),
		"InterfacesClient.Get " + strings.ToLower(foreignNICID),
		"VirtualMachinesClient.Get " + strings.ToLower(vmID),
	}
	slices.Sort(wantCalls)
	if !slices.Equal(calls, wantCalls) {
		t.Errorf("calls %q", calls)
	}
	// The token's spelling is not Resource Manager's.
	shouting := vm()
	shouting.ManagedIdentity = strings.NewReplacer("resourceGroups", "resourcegroups", "Web-1", "WEB-1").Replace(vmID)
	if got := gather(t, authority, c, authority.Issue(keys().a, shouting, now)); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// TestGatherAsksForNothingElse: a fact that nobody wants costs nothing.
func TestGatherAsksForNothingElse(t *testing.T) {
	a := usual(t)
	authority, c := collectorFor(t, a)
	ev, problem := verify(t, c, authority.Issue(keys().a, vm(), now).Sign())
	if problem != "" {
		t.Fatal(problem)
	}
	if got := ev.Gather(t.Context(), nil); len(got) != 0 || len(a.asked()) != 0 {
		t.Errorf("got %v", got)
	}
	got := ev.Gather(t.Context(), []string{"virtual_machine", "moon"})
	if len(got) != 2 || got["virtual_machine"].Status != evidence.StatusKnown || fmt.Sprint(got["moon"].Err) != `there is no fact "moon"` {
		t.Errorf("got %+v", got)
	}
	if calls := a.asked(); !slices.Equal(calls, []string{"VirtualMachinesClient.Get " + strings.ToLower(vmID)}) {
		t.Errorf("calls %q", calls)
	}
}

// TestGatherMachines has the other kinds of machines and identities.
func TestGatherMachines(t *testing.T) {
	held := &armcompute.VirtualMachineIdentity{UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{
		strings.Replace(identityID, "resourcegroups", "resourceGroups", 1): {PrincipalID: ptr(principalID)},
	}}
	for name, test := range map[string]struct {
		token   entra.Machine
		arrange func(a *azure)
		change  func(want *azuremsi.VirtualMachine)
	}{
		"user-assigned identity": {
			entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID, AzureResource: vmID},
			func(a *azure) { edit(a, func(vm *armcompute.VirtualMachine) { vm.Identity = held }) },
			func(*azuremsi.VirtualMachine) {},
		},
		"user-assigned identity without its object ID": {
			entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID, AzureResource: vmID},
			func(a *azure) {
				edit(a, func(vm *armcompute.VirtualMachine) {
					vm.Identity = &armcompute.VirtualMachineIdentity{UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{identityID: nil}}
				})
			},
			func(*azuremsi.VirtualMachine) {},
		},
		"an identity of which the token does not say the kind": {
			entra.Machine{Tenant: tenantID, Principal: principalID, AzureResource: vmID},
			func(a *azure) { edit(a, func(vm *armcompute.VirtualMachine) { vm.Identity = held }) },
			func(*azuremsi.VirtualMachine) {},
		},
		"machine of a flexible scale set": {
			vm(),
			func(a *azure) {
				edit(a, func(vm *armcompute.VirtualMachine) {
					vm.Properties.VirtualMachineScaleSet = &armcompute.SubResource{ID: ptr(scaleSetID)}
				})
			},
			func(want *azuremsi.VirtualMachine) {
				want.ScaleSet = &azuremsi.ScaleSet{ID: strings.ToLower(scaleSetID), ResourceGroup: "Web-RG", Name: "workers"}
			},
		},
		"instance of a uniform scale set": {
			entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID, AzureResource: instanceID},
			func(a *azure) {
				a.instances[strings.ToLower(instanceID)] = armcompute.VirtualMachineScaleSetVM{
					ID: ptr(instanceID), Name: ptr("workers_3"), Identity: held, Location: ptr("westeurope"),
					Properties: &armcompute.VirtualMachineScaleSetVMProperties{
						HardwareProfile: &armcompute.HardwareProfile{VMSize: ptr(armcompute.VirtualMachineSizeTypesStandardD2SV3)},
						NetworkProfile: &armcompute.NetworkProfile{NetworkInterfaces: []*armcompute.NetworkInterfaceReference{
							{ID: ptr(instanceNICID)},
						}},
					},
				}
				a.interfaces[strings.ToLower(instanceNICID)] = nic(instanceNICID, "front", "10.0.0.9", nil)
			},
			func(want *azuremsi.VirtualMachine) {
				*want = azuremsi.VirtualMachine{
					ID: strings.ToLower(instanceID), SubscriptionID: subscription, ResourceGroup: "Web-RG", Name: "workers_3",
					Location: "westeurope", Size: "Standard_D2s_v3",
					ScaleSet: &azuremsi.ScaleSet{ID: strings.ToLower(scaleSetID), ResourceGroup: "Web-RG", Name: "workers", InstanceID: "3"},
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := usual(t)
			test.arrange(a)
			authority, c := collectorFor(t, a)
			got := gather(t, authority, c, authority.Issue(keys().a, test.token, now))
			want := wantVM()
			test.change(&want)
			if !reflect.DeepEqual(got["virtual_machine"], evidence.Known(want)) {
				t.Errorf("\n got %+v\nwant %+v", got["virtual_machine"], want)
			}
			if got["network"].Status != evidence.StatusKnown {
				t.Errorf("network: %+v", got["network"])
			}
		})
	}
}

// edit changes the usual machine.
func edit(a *azure, f func(vm *armcompute.VirtualMachine)) {
	vm := a.vms[strings.ToLower(vmID)]
	f(&vm)
	a.vms[strings.ToLower(vmID)] = vm
}
