package gatehouse.aws_iid

# METADATA
# title: The instance has not become another agent before
# description: |
#   An agent path may have in it what others can change, such as tags: then
#   SPIRE's records of first use, which are kept by agent ID, would let one document
#   in as several agents.
#   Only a database of claims remembers first uses; without one this rule
#   refuses nobody.
admission_violation contains {"rule": "first_identity", "msg": msg} if {
	some "first", _ in input.tofu
	not input.tofu.first.agent_path == agent_path
	msg := concat("", [
		$"instance {input.evidence.instance_id} became agent {input.tofu.first.agent_path} at {input.tofu.first.time}, ",
		$"and may not become {agent_path} too; have the first use forgotten to let it",
	])
}
