package azuremsi

import "fmt"

// Machine is the Azure resource that a token was issued on, as the token itself
// names it: a virtual machine, a scale set, or an instance of one. Its fields are
// those of ResourceID.
type Machine struct {
	ID             string `json:"id"`
	SubscriptionID string `json:"subscription_id"`
	Provider       string `json:"provider"`
	Type           string `json:"type"`
	ResourceGroup  string `json:"resource_group"`
	Name           string `json:"name"`

	// Claim is the claim that names it: "xms_mirid" or "xms_az_rid".
	Claim string `json:"claim"`
}

// Kinds of managed identity.
const (
	systemAssigned = "system_assigned"
	userAssigned   = "user_assigned"
)

// named is what a token says of where it comes from.
type named struct {
	identityKind string      // "" when the token has no xms_mirid
	machine      *ResourceID // nil when it names none
	claim        string      // the claim that names machine
	identity     *ResourceID // xms_mirid, parsed
	resource     *ResourceID // xms_az_rid, parsed
}

// machineOf reads the two claims that name resources. For an identity that Azure
// assigned, xms_mirid is the resource that has it; for one that a user assigned,
// it is the identity itself, and xms_az_rid says which resource used it. When
// both name resources, they must agree.
func machineOf(mirid, azRID string) (named, error) {
	var n named
	if mirid != "" {
		id, err := parseResourceID(mirid)
		if err != nil {
			return named{}, fmt.Errorf("xms_mirid: %w", err)
		}
		n.identity, n.identityKind = &id, systemAssigned
		if id.is("microsoft.managedidentity", "userassignedidentities") {
			n.identityKind = userAssigned
		}
	}
	if azRID != "" {
		id, err := parseResourceID(azRID)
		if err != nil {
			return named{}, fmt.Errorf("xms_az_rid: %w", err)
		}
		n.resource = &id
	}
	switch {
	case n.identity == nil && n.resource == nil:
	case n.identityKind != systemAssigned:
		n.name(n.resource, "xms_az_rid")
	case n.resource == nil || n.resource.ID == n.identity.ID:
		n.name(n.identity, "xms_mirid")
	case n.identity.contains(*n.resource): // an instance of the scale set
		n.name(n.resource, "xms_az_rid")
	default:
		return named{}, fmt.Errorf("xms_mirid and xms_az_rid name different resources: %s and %s", n.identity.ID, n.resource.ID)
	}
	return n, nil
}

// name takes what a claim names for the machine, unless it is something else.
func (n *named) name(id *ResourceID, claim string) {
	if id != nil && (id.isVirtualMachine() || id.isScaleSet() || id.isInstance()) {
		n.machine, n.claim = id, claim
	}
}

// forPolicy is the machine with the claim that names it.
func (n named) forPolicy() *Machine {
	if n.machine == nil {
		return nil
	}
	return &Machine{
		ID:             n.machine.ID,
		SubscriptionID: n.machine.SubscriptionID,
		Provider:       n.machine.Provider,
		Type:           n.machine.Type,
		ResourceGroup:  n.machine.ResourceGroup,
		Name:           n.machine.Name,
		Claim:          n.claim,
	}
}

func (r ResourceID) isVirtualMachine() bool { return r.is("microsoft.compute", "virtualmachines") }
func (r ResourceID) isScaleSet() bool       { return r.is("microsoft.compute", "virtualmachinescalesets") }
func (r ResourceID) isInstance() bool {
	return r.is("microsoft.compute", "virtualmachinescalesets/virtualmachines")
}
