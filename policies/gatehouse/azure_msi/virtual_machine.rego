package gatehouse.azure_msi

# METADATA
# title: The decision rests on the machine
# description: |
#   A token outlives its machine. Resource Manager knows whether it is still there
#   and holds the token's identity; where nobody can ask, the token has to do.
required_fact contains "virtual_machine"

# METADATA
# title: The machine is there, and is the token's
# description: |
#   Resource Manager knows the machine that the token names, and that machine holds
#   the identity. Two tokens pass without: that of a whole scale set, which does not
#   name the instance; and any token where there is no Azure credential to ask with,
#   unless one is configured, or a subscription_id says that it is expected.
violation contains {"rule": "virtual_machine", "msg": msg} if {
	not _machine_confirmed
	msg := $"machine {input.evidence.machine.id} of principal {input.evidence.principal_id} {_machine_trouble}"
}

_machine_confirmed if input.facts.virtual_machine.id == input.evidence.machine.id

_machine_confirmed if {
	input.facts.virtual_machine.id
	_token_names_nothing
}

_machine_confirmed if {
	not input.facts.virtual_machine
	input.facts_status.virtual_machine == "absent"
	input.evidence.machine.type == "virtualmachinescalesets"
}

_machine_confirmed if {
	not input.facts.virtual_machine
	input.facts_status.virtual_machine == "not_collected"
	tenant_settings.credential == "default"
	tenant_settings.subscription_id == ""
}

_token_names_nothing if {
	input.evidence
	not input.evidence.xms_mirid
	not input.evidence.xms_az_rid
}

default _machine_trouble := "is not known to be there"

_machine_trouble := "is not there, or doesn't hold the token's identity" if {
	not input.facts.virtual_machine
	input.facts_status.virtual_machine == "absent"
}

_machine_trouble := "can't be looked up: there is no Azure credential, though one is expected" if {
	not input.facts.virtual_machine
	input.facts_status.virtual_machine == "not_collected"
}

_machine_trouble := $"is not the one that was looked up, {input.facts.virtual_machine.id}" if {
	input.facts.virtual_machine
}
