package azuremsi

import (
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

func (r ResourceID) isInterface() bool { return r.is("microsoft.network", "networkinterfaces") }
func (r ResourceID) isInstanceInterface() bool {
	return r.is("microsoft.compute", "virtualmachinescalesets/virtualmachines/networkinterfaces")
}

// interfaceOf converts the answer for a network interface.
func interfaceOf(asked ResourceID, from armnetwork.Interface) (NetworkInterface, error) {
	id, err := answered(asked, from.ID)
	if err != nil {
		return NetworkInterface{}, err
	}
	names := id.names()
	p := value(from.Properties)
	to := NetworkInterface{
		ID:             id.ID,
		SubscriptionID: id.SubscriptionID,
		ResourceGroup:  id.ResourceGroup,
		Name:           names[len(names)-1],
	}
	if to.MACAddress, err = factText("MAC address", p.MacAddress); err != nil {
		return NetworkInterface{}, err
	}
	if p.NetworkSecurityGroup != nil && p.NetworkSecurityGroup.ID != nil {
		if to.SecurityGroup, err = securityGroup(*p.NetworkSecurityGroup.ID); err != nil {
			return NetworkInterface{}, err
		}
	}
	if n := len(p.IPConfigurations); n > maxIPConfigurations {
		return NetworkInterface{}, fmt.Errorf("%d IP configurations, more than %d", n, maxIPConfigurations)
	}
	for _, configuration := range p.IPConfigurations {
		if err := to.add(value(value(configuration).Properties)); err != nil {
			return NetworkInterface{}, err
		}
	}
	return to, nil
}

// add adds what one IP configuration says.
func (n *NetworkInterface) add(p armnetwork.InterfaceIPConfigurationPropertiesFormat) error {
	address, err := factText("private IP", p.PrivateIPAddress)
	if err != nil {
		return err
	}
	if address != "" {
		n.PrivateIPs = append(n.PrivateIPs, address)
	}
	if p.Subnet == nil || p.Subnet.ID == nil {
		return nil
	}
	id, err := parseResourceID(*p.Subnet.ID)
	if err != nil {
		return fmt.Errorf("subnet: %w", err)
	}
	if !id.is("microsoft.network", "virtualnetworks/subnets") {
		return fmt.Errorf("subnet: %s is not one", id.ID)
	}
	names := id.names()
	subnet := Subnet{ID: id.ID, ResourceGroup: id.ResourceGroup, VirtualNetwork: names[0], Name: names[1]}
	n.Subnets = sorted(append(n.Subnets, subnet), func(s Subnet) string { return s.ID })
	return nil
}

func securityGroup(text string) (*SecurityGroup, error) {
	id, err := parseResourceID(text)
	if err != nil {
		return nil, fmt.Errorf("network security group: %w", err)
	}
	if !id.is("microsoft.network", "networksecuritygroups") {
		return nil, fmt.Errorf("network security group: %s is not one", id.ID)
	}
	return &SecurityGroup{ID: id.ID, ResourceGroup: id.ResourceGroup, Name: id.Name}, nil
}
