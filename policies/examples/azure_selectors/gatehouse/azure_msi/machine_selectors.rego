package gatehouse.azure_msi

# METADATA
# title: Selectors from the machine's tags
# description: |
#   vm-tag:KEY:VALUE. Who may write a machine's tags in Azure chooses these selectors:
#   hang nothing on a tag that you would not let that person have.
selector contains sprintf("vm-tag:%s:%s", [key, value]) if {
	some key, value in input.facts.virtual_machine.tags
}

# METADATA
# title: A selector from the machine's location
# description: vm-location:LOCATION, such as westeurope.
selector contains sprintf("vm-location:%s", [input.facts.virtual_machine.location])

# METADATA
# title: A selector from the machine's scale set
# description: vmss-name:RESOURCE_GROUP:NAME, for machines of a scale set.
selector contains sprintf("vmss-name:%s:%s", [scale_set.resource_group, scale_set.name]) if {
	scale_set := input.facts.virtual_machine.scale_set
}
