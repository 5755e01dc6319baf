package azuremsi_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestGatherHoles: Resource Manager may leave out anything, at any level. That is
// a fact with holes, or none, but never a panic.
func TestGatherHoles(t *testing.T) {
	statuses := map[evidence.Status]int{}
	var tokens []string // signed once, as that would be most of the work
	for _, m := range []entra.Machine{
		vm(),
		{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID, AzureResource: vmID},
		{Tenant: tenantID, Principal: principalID, ManagedIdentity: identityID, AzureResource: instanceID},
	} {
		tokens = append(tokens, entra.New(keys().a).Issue(keys().a, m, now).Sign())
	}
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 1))
		a := usual(t)
		v := machine()
		v.Properties.VirtualMachineScaleSet = &armcompute.SubResource{ID: ptr(scaleSetID)}
		v.Identity.UserAssignedIdentities = map[string]*armcompute.UserAssignedIdentitiesValue{identityID: {PrincipalID: ptr(principalID)}}
		a.vms[strings.ToLower(vmID)] = hole(random, v)
		a.instances[strings.ToLower(instanceID)] = hole(random, armcompute.VirtualMachineScaleSetVM{
			ID: ptr(instanceID), Identity: v.Identity,
			Properties: &armcompute.VirtualMachineScaleSetVMProperties{NetworkProfile: v.Properties.NetworkProfile, HardwareProfile: v.Properties.HardwareProfile},
		})
		for _, id := range []string{nicID, foreignNICID} {
			n := nic(id, "front", "10.0.0.4", &armnetwork.SecurityGroup{ID: ptr(groupID)})
			a.interfaces[strings.ToLower(id)] = hole(random, n)
		}
		_, c := collectorFor(t, a, func(o *azuremsi.Options) { o.Lifetimes.Recheck = time.Nanosecond })
		for _, token := range tokens {
			ev, problem := verify(t, c, token)
			if problem != "" {
				t.Fatal(problem)
			}
			for name, fact := range ev.Gather(t.Context(), both) {
				statuses[fact.Status]++
				if strings.Contains(fmt.Sprint(fact.Err), "panic") || (fact.Status == evidence.StatusKnown) != (fact.Value != nil) {
					t.Errorf("seed %d, %s: %+v", seed, name, fact)
				}
			}
		}
	}
	if statuses[evidence.StatusKnown] == 0 || statuses[evidence.StatusAbsent] == 0 {
		t.Errorf("the test makes no difference: %v", statuses)
	}
}

// hole returns a copy in which some pointers, list elements and map values are nil.
func hole[T any](random *rand.Rand, v T) T {
	copied := reflect.New(reflect.TypeFor[T]()).Elem()
	dig(random, copied, reflect.ValueOf(v))
	return copied.Interface().(T)
}

func dig(random *rand.Rand, to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Pointer:
		if from.IsNil() || random.IntN(12) == 0 {
			return
		}
		to.Set(reflect.New(from.Type().Elem()))
		dig(random, to.Elem(), from.Elem())
	case reflect.Struct:
		if from.Type().PkgPath() == "time" {
			to.Set(from)
			return
		}
		for i := range from.NumField() {
			if to.Field(i).CanSet() {
				dig(random, to.Field(i), from.Field(i))
			}
		}
	case reflect.Slice:
		if from.IsNil() {
			return
		}
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			dig(random, to.Index(i), from.Index(i))
		}
	case reflect.Map:
		if from.IsNil() {
			return
		}
		to.Set(reflect.MakeMap(from.Type()))
		for _, key := range from.MapKeys() {
			value := reflect.New(from.Type().Elem()).Elem()
			dig(random, value, from.MapIndex(key))
			to.SetMapIndex(key, value)
		}
	default:
		to.Set(from)
	}
}
