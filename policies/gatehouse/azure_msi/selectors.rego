package gatehouse.azure_msi

# METADATA
# title: The machine's subscription
# description: |
#   subscription-id:ID, in lower case, or as subscription_id is configured.
#   Registration entries hang on these strings: they are those of SPIRE's own
#   attestor, which shows what it was configured with.
selector contains concat(":", ["subscription-id", _shown_subscription])

# METADATA
# title: The machine's name
# description: |
#   vm-name:GROUP:NAME, as Resource Manager writes it; or as the token does, when
#   Resource Manager can't be asked. A scale set's token names no machine.
selector contains concat(":", ["vm-name", machine.resource_group, machine.name]) if {
	machine := input.facts.virtual_machine
}

selector contains concat(":", ["vm-name", machine.resource_group, machine.name]) if {
	not input.facts.virtual_machine
	machine := input.evidence.machine
	machine.type == "virtualmachines"
}

# METADATA
# title: The machine's network security groups
# description: network-security-group:GROUP:NAME of every network interface that has one.
selector contains concat(":", ["network-security-group", group.resource_group, group.name]) if {
	some group in input.facts.network.security_groups
}

# METADATA
# title: The machine's virtual networks
# description: virtual-network:GROUP:NAME of every address.
selector contains concat(":", ["virtual-network", network.resource_group, network.name]) if {
	some network in input.facts.network.virtual_networks
}

# METADATA
# title: The machine's subnets
# description: virtual-network-subnet:GROUP:NETWORK:NAME of every address.
selector contains concat(":", [
	"virtual-network-subnet",
	subnet.resource_group,
	subnet.virtual_network,
	subnet.name,
]) if {
	some subnet in input.facts.network.subnets
}

_subscription := input.facts.virtual_machine.subscription_id

_subscription := input.evidence.machine.subscription_id if not input.facts.virtual_machine

_shown_subscription := tenant_settings.subscription_id if {
	lower(tenant_settings.subscription_id) == _subscription
} else := _subscription
