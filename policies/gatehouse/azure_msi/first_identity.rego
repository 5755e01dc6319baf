package gatehouse.azure_msi

# METADATA
# title: The machine has not become another agent before
# description: |
#   A machine may have several identities, each with an agent ID of its own, and
#   SPIRE keeps its records of first use by agent ID. A machine that was deleted and
#   made anew under its name has a new identity, too: have its first use forgotten.
#   Only a database of claims remembers first uses; without one this rule
#   refuses nobody.
admission_violation contains {"rule": "first_identity", "msg": msg} if {
	some "first", _ in input.tofu
	not input.tofu.first.agent_path == agent_path
	msg := concat("", [
		$"{_machine_name} became agent {input.tofu.first.agent_path} at {input.tofu.first.time}, ",
		$"and may not become {agent_path} too; have the first use forgotten to let it",
	])
}

_machine_name := $"machine {input.evidence.machine.id}" if input.evidence.machine

_machine_name := $"identity {input.evidence.principal_id}" if not input.evidence.machine
