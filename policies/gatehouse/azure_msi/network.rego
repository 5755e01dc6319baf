package gatehouse.azure_msi

# METADATA
# title: Networks are among the selectors
# description: |
#   Registration entries may hang on them, so that a decision without them would be
#   another one.
required_fact contains "network"

# METADATA
# title: The machine's network is known
# description: Where the machine could be looked up, so could its network.
violation contains {"rule": "network", "msg": msg} if {
	input.facts.virtual_machine
	not input.facts.network
	msg := $"the network of virtual machine {input.facts.virtual_machine.id} is not known"
}
