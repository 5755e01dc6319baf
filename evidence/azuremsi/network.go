package azuremsi

import (
	"cmp"
	"slices"
	"strings"
)

// networkOf sums interfaces up.
func networkOf(interfaces []NetworkInterface) Network {
	// Empty lists, not null: "no security group" is something to ask for.
	n := Network{
		Interfaces:      sorted(append([]NetworkInterface{}, interfaces...), func(i NetworkInterface) string { return i.ID }),
		SecurityGroups:  []SecurityGroup{},
		VirtualNetworks: []VirtualNetwork{},
		Subnets:         []Subnet{},
	}
	for _, i := range n.Interfaces {
		if i.SecurityGroup != nil {
			n.SecurityGroups = append(n.SecurityGroups, *i.SecurityGroup)
		}
		for _, subnet := range i.Subnets {
			n.Subnets = append(n.Subnets, subnet)
			n.VirtualNetworks = append(n.VirtualNetworks, subnet.network())
		}
	}
	n.SecurityGroups = sorted(n.SecurityGroups, func(g SecurityGroup) string { return g.ID })
	n.VirtualNetworks = sorted(n.VirtualNetworks, func(v VirtualNetwork) string { return v.ID })
	n.Subnets = sorted(n.Subnets, func(s Subnet) string { return s.ID })
	return n
}

// network is the virtual network that a subnet is part of.
func (s Subnet) network() VirtualNetwork {
	id := s.ID[:strings.LastIndex(s.ID, "/subnets/")]
	return VirtualNetwork{ID: id, ResourceGroup: s.ResourceGroup, Name: s.VirtualNetwork}
}

// sorted sorts a list by its IDs and keeps the first of those with equal ones.
func sorted[T any](list []T, id func(T) string) []T {
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	return slices.CompactFunc(list, func(a, b T) bool { return id(a) == id(b) })
}
