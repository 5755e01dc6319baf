package azuremsi

import (
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
)

// What the SDK returns has pointers everywhere, any of which can be nil, and
// texts that anybody with rights on the resource chose. Here they become checked
// structs.

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// factText is a text of an answer, checked.
func factText(name string, p *string) (string, error) {
	s := value(p)
	return s, checkText(name, s)
}

// answered checks that an answer is about the resource that was asked for, and
// returns its ID as the answer writes it.
func answered(asked ResourceID, id *string) (ResourceID, error) {
	if value(id) == "" {
		return asked, nil
	}
	got, err := parseResourceID(*id)
	if err != nil {
		return ResourceID{}, err
	}
	if got.ID != asked.ID {
		return ResourceID{}, fmt.Errorf("asked for %s, answered %s", asked.ID, got.ID)
	}
	return got, nil
}

// described is what virtual machines and scale set instances have in common.
type described struct {
	id                   *string
	name, location       *string
	vmID, state          *string
	zones                []*string
	tags                 map[string]*string
	created              *time.Time
	hardware             *armcompute.HardwareProfile
	network              *armcompute.NetworkProfile
	identity             *armcompute.VirtualMachineIdentity
	scaleSet, instanceID string
}

func (d described) machine(asked ResourceID) (machine, error) {
	id, err := answered(asked, d.id)
	if err != nil {
		return machine{}, err
	}
	vm := VirtualMachine{ID: id.ID, SubscriptionID: id.SubscriptionID, ResourceGroup: id.ResourceGroup}
	for _, field := range []struct {
		to   *string
		name string
		from *string
	}{
		{&vm.Name, "name", d.name},
		{&vm.VMID, "vm ID", d.vmID},
		{&vm.Location, "location", d.location},
		{&vm.ProvisioningState, "provisioning state", d.state},
	} {
		if *field.to, err = factText(field.name, field.from); err != nil {
			return machine{}, err
		}
	}
	if vm.Name == "" {
		names := id.names()
		vm.Name = names[len(names)-1]
	}
	if err := checkPart(vm.Name); err != nil {
		return machine{}, fmt.Errorf("name: %w", err)
	}
	if vm.Zone, err = oneZone(d.zones); err != nil {
		return machine{}, err
	}
	if d.hardware != nil {
		size := string(value(d.hardware.VMSize))
		if vm.Size, err = factText("size", &size); err != nil {
			return machine{}, err
		}
	}
	if vm.Tags, err = tags(d.tags); err != nil {
		return machine{}, err
	}
	if vm.ScaleSet, err = scaleSet(d.scaleSet, d.instanceID); err != nil {
		return machine{}, err
	}
	if vm.CreatedAt, err = created(d.created); err != nil {
		return machine{}, err
	}
	m := machine{vm: vm}
	if m.interfaces, err = attachments(d.network); err != nil {
		return machine{}, err
	}
	return m, m.identify(d.identity)
}

// oneZone is the zone of a machine: it can be in one only.
func oneZone(zones []*string) (string, error) {
	switch len(zones) {
	case 0:
		return "", nil
	case 1:
		return factText("zone", zones[0])
	}
	return "", fmt.Errorf("%d zones, where a machine has one", len(zones))
}

// created allows the times that RFC 3339 can write.
func created(p *time.Time) (time.Time, error) {
	t := value(p).UTC()
	if year := t.Year(); year < 1 || year > 9999 {
		return time.Time{}, fmt.Errorf("created in the year %d", year)
	}
	return t, nil
}

func tags(from map[string]*string) (map[string]string, error) {
	if len(from) == 0 {
		return nil, nil
	}
	if len(from) > maxTags {
		return nil, fmt.Errorf("%d tags, more than %d", len(from), maxTags)
	}
	to := make(map[string]string, len(from))
	for key, p := range from {
		if len(key) > maxTagText || len(value(p)) > maxTagText {
			return nil, fmt.Errorf("tag %.64q has more than %d bytes", key, maxTagText)
		}
		to[key] = strings.ToValidUTF8(value(p), "\uFFFD")
	}
	return to, nil
}

func scaleSet(id, instanceID string) (*ScaleSet, error) {
	if id == "" {
		return nil, nil
	}
	set, err := parseResourceID(id)
	if err != nil {
		return nil, fmt.Errorf("scale set: %w", err)
	}
	if !set.isScaleSet() {
		return nil, fmt.Errorf("scale set: %s is not one", set.ID)
	}
	return &ScaleSet{ID: set.ID, ResourceGroup: set.ResourceGroup, Name: set.Name, InstanceID: instanceID}, nil
}

// attachments lists a machine's interfaces.
func attachments(profile *armcompute.NetworkProfile) ([]attachment, error) {
	if profile == nil {
		return nil, nil
	}
	if n := len(profile.NetworkInterfaces); n > maxInterfaces {
		return nil, fmt.Errorf("%d network interfaces, more than %d", n, maxInterfaces)
	}
	var list []attachment
	for _, reference := range profile.NetworkInterfaces {
		if reference == nil || reference.ID == nil {
			continue
		}
		id, err := parseResourceID(*reference.ID)
		if err != nil {
			return nil, fmt.Errorf("network interface: %w", err)
		}
		if !id.isInterface() && !id.isInstanceInterface() {
			return nil, fmt.Errorf("network interface: %s is not one", id.ID)
		}
		list = append(list, attachment{id: id, primary: value(value(reference.Properties).Primary)})
	}
	return list, nil
}

// identify fills in the machine's identities.
func (m *machine) identify(identity *armcompute.VirtualMachineIdentity) error {
	if identity == nil {
		return nil
	}
	m.principalID = strings.ToLower(value(identity.PrincipalID))
	if n := len(identity.UserAssignedIdentities); n > maxIdentities {
		return fmt.Errorf("%d user-assigned identities, more than %d", n, maxIdentities)
	}
	m.identities = make(map[string]string, len(identity.UserAssignedIdentities))
	for key, held := range identity.UserAssignedIdentities {
		id, err := parseResourceID(key)
		if err != nil {
			return fmt.Errorf("user-assigned identity: %w", err)
		}
		m.identities[id.ID] = strings.ToLower(value(value(held).PrincipalID))
	}
	return nil
}

// machineOfVM converts the answer for a virtual machine. Its name is the one in its
// ID, as that is where SPIRE's own attestor takes it from for its selectors.
func machineOfVM(asked ResourceID, vm armcompute.VirtualMachine) (machine, error) {
	p := value(vm.Properties)
	return described{
		id: vm.ID, location: vm.Location, zones: vm.Zones, tags: vm.Tags, identity: vm.Identity,
		vmID: p.VMID, state: p.ProvisioningState, created: p.TimeCreated, hardware: p.HardwareProfile,
		network: p.NetworkProfile, scaleSet: value(value(p.VirtualMachineScaleSet).ID),
	}.machine(asked)
}

// machineOfInstance converts the answer for an instance of a scale set, whose
// identity is its scale set's.
func machineOfInstance(asked ResourceID, vm armcompute.VirtualMachineScaleSetVM) (machine, error) {
	p := value(vm.Properties)
	set, instance, _ := strings.Cut(asked.Name, "/")
	return described{
		id: vm.ID, name: vm.Name, location: vm.Location, zones: vm.Zones, tags: vm.Tags, identity: vm.Identity,
		vmID: p.VMID, state: p.ProvisioningState, created: p.TimeCreated, hardware: p.HardwareProfile,
		network: p.NetworkProfile, instanceID: instance,
		scaleSet: fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute/virtualMachineScaleSets/%s",
			asked.SubscriptionID, asked.ResourceGroup, set),
	}.machine(asked)
}
