package azuremsi

import "time"

// Names of the facts.
const (
	factNetwork        = "network"
	factVirtualMachine = "virtual_machine"
)

// VirtualMachine is what Resource Manager knows of the attesting machine. What
// it did not say is absent.
type VirtualMachine struct {
	// ID and SubscriptionID are in lower case; ResourceGroup and Name as Resource
	// Manager writes them. An instance of a scale set has the name that Azure
	// gives it, such as "web_3".
	ID             string `json:"id"`
	SubscriptionID string `json:"subscription_id"`
	ResourceGroup  string `json:"resource_group"`
	Name           string `json:"name"`

	// VMID is the machine's own ID: another machine of the same name has another.
	VMID string `json:"vm_id,omitempty"`

	Location string            `json:"location,omitempty"`
	Zone     string            `json:"zone,omitempty"`
	Size     string            `json:"size,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	ScaleSet *ScaleSet         `json:"scale_set,omitempty"`

	ProvisioningState string    `json:"provisioning_state,omitempty"`
	CreatedAt         time.Time `json:"created_at,omitzero"`
}

// ScaleSet is the scale set that a machine belongs to.
type ScaleSet struct {
	ID            string `json:"id"` // in lower case
	ResourceGroup string `json:"resource_group"`
	Name          string `json:"name"`

	// InstanceID is the instance's number, absent for a machine of a flexible
	// scale set: it is an ordinary virtual machine.
	InstanceID string `json:"instance_id,omitempty"`
}

// Network is what the attesting machine is connected to. The lists are sorted,
// and name each resource once.
type Network struct {
	Interfaces      []NetworkInterface `json:"interfaces"`
	SecurityGroups  []SecurityGroup    `json:"security_groups"`
	VirtualNetworks []VirtualNetwork   `json:"virtual_networks"`
	Subnets         []Subnet           `json:"subnets"`
}

// NetworkInterface is one interface of the attesting machine.
type NetworkInterface struct {
	ID             string         `json:"id"` // in lower case
	SubscriptionID string         `json:"subscription_id"`
	ResourceGroup  string         `json:"resource_group"`
	Name           string         `json:"name"`
	Primary        bool           `json:"primary"`
	MACAddress     string         `json:"mac_address,omitempty"`
	PrivateIPs     []string       `json:"private_ips,omitempty"`
	SecurityGroup  *SecurityGroup `json:"security_group,omitempty"`
	Subnets        []Subnet       `json:"subnets,omitempty"`
}

// SecurityGroup is a network security group of an interface. The groups of its
// subnets are not collected, as SPIRE's own attestor does not.
type SecurityGroup struct {
	ID            string `json:"id"` // in lower case
	ResourceGroup string `json:"resource_group"`
	Name          string `json:"name"`
}

// VirtualNetwork is a virtual network that an interface is in.
type VirtualNetwork struct {
	ID            string `json:"id"` // in lower case
	ResourceGroup string `json:"resource_group"`
	Name          string `json:"name"`
}

// Subnet is a subnet that an interface has an address in.
type Subnet struct {
	ID             string `json:"id"` // in lower case
	ResourceGroup  string `json:"resource_group"`
	VirtualNetwork string `json:"virtual_network"`
	Name           string `json:"name"`
}
