package gatehouse.azure_msi

# METADATA
# title: The token's machine is in the configured subscription
# description: |
#   Where a tenant has a subscription_id, SPIRE's own attestor finds no machine
#   outside of it. Machines of any subscription are let in where there is none.
admission_violation contains {"rule": "subscription", "msg": msg} if {
	_wanted_subscription
	input.evidence.machine
	not input.evidence.machine.subscription_id == _wanted_subscription
	msg := concat("", [
		$"machine {input.evidence.machine.id} is in subscription {input.evidence.machine.subscription_id}, ",
		$"not in {_wanted_subscription}",
	])
}

# METADATA
# title: The machine that was found is in the configured subscription
# description: For tokens that don't name their machine.
violation contains {"rule": "subscription", "msg": msg} if {
	_wanted_subscription
	input.facts.virtual_machine
	not input.facts.virtual_machine.subscription_id == _wanted_subscription
	msg := concat("", [
		$"virtual machine {input.facts.virtual_machine.id} is in subscription ",
		$"{input.facts.virtual_machine.subscription_id}, not in {_wanted_subscription}",
	])
}

_wanted_subscription := lower(tenant_settings.subscription_id) if tenant_settings.subscription_id != ""
