package azuremsi_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestStormOfAScaleSet: Resource Graph doesn't have the instances of scale sets, nor
// their interfaces. They are read from lists of the scale set.
func TestStormOfAScaleSet(t *testing.T) {
	const instances = 300
	inStorm(t, "all", func(t *testing.T) {
		a := usual(t)
		a.took = 50 * time.Millisecond
		id := func(i int) string { return fmt.Sprintf("%s/virtualMachines/%d", scaleSetID, i) }
		for i := range instances {
			a.instances[strings.ToLower(id(i))] = armcompute.VirtualMachineScaleSetVM{
				ID: ptr(id(i)), Name: ptr(fmt.Sprintf("workers_%d", i)),
				Identity: &armcompute.VirtualMachineIdentity{PrincipalID: ptr(principalID)},
				Properties: &armcompute.VirtualMachineScaleSetVMProperties{NetworkProfile: &armcompute.NetworkProfile{
					NetworkInterfaces: []*armcompute.NetworkInterfaceReference{{ID: ptr(id(i) + "/networkInterfaces/eth0")}},
				}},
			}
			a.interfaces[strings.ToLower(id(i)+"/networkInterfaces/eth0")] = nic(id(i)+"/networkInterfaces/eth0", "front", fmt.Sprintf("10.0.%d.%d", i/250, i%250), nil)
		}
		authority, c := collectorFor(t, a, func(o *azuremsi.Options) { o.Now = time.Now })
		got := make([]map[string]evidence.Fact, instances)
		var all sync.WaitGroup
		for i := range instances {
			ev, problem := verify(t, c, authority.Issue(keys().a, entra.Machine{
				Tenant: tenantID, Principal: principalID, ManagedIdentity: scaleSetID, AzureResource: id(i),
			}, time.Now()).Sign())
			if problem != "" {
				t.Fatal(problem)
			}
			all.Go(func() { got[i] = ev.Gather(t.Context(), both) })
		}
		all.Wait()
		for i := range got {
			want := azuremsi.VirtualMachine{
				ID: strings.ToLower(id(i)), SubscriptionID: subscription, ResourceGroup: "Web-RG", Name: fmt.Sprintf("workers_%d", i),
				ScaleSet: &azuremsi.ScaleSet{ID: strings.ToLower(scaleSetID), ResourceGroup: "Web-RG", Name: "workers", InstanceID: fmt.Sprint(i)},
			}
			if !reflect.DeepEqual(got[i]["virtual_machine"], evidence.Known(want)) {
				t.Fatalf("instance %d:\n got %+v\nwant %+v", i, got[i]["virtual_machine"], want)
			}
			network, _ := got[i]["network"].Value.(azuremsi.Network)
			if len(network.Interfaces) != 1 || network.Interfaces[0].ID != strings.ToLower(id(i))+"/networkinterfaces/eth0" ||
				network.Interfaces[0].PrivateIPs[0] != fmt.Sprintf("10.0.%d.%d", i/250, i%250) {
				t.Fatalf("instance %d: got %+v", i, got[i]["network"])
			}
		}
		if calls := a.asked(); len(calls) > 10 {
			t.Errorf("%d calls: %v", len(calls), names(calls))
		}
		synctest.Wait()
	})
}
