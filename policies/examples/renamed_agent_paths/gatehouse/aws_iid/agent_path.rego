package gatehouse.aws_iid

# METADATA
# title: The agent's path, with the environment's name
# description: |
#   /spire/agent/aws_iid/ENVIRONMENT/ACCOUNT/REGION/INSTANCE. What AWS signed is in it
#   whole: two instances must never share a path. Nor may one have a second, so that
#   agent_path_template in plugin_data no longer has a say.
# scope: document
agent_path := concat("/", [
	"/spire/agent/aws_iid",
	_environment,
	input.evidence.account_id,
	input.evidence.region,
	input.evidence.instance_id,
])

# METADATA
# title: The account's environment has a name
# description: |
#   data.fleet.environments.names has it, by account. Without a name there is no path.
admission_violation contains {"rule": "agent_name", "msg": msg} if {
	not _environment
	msg := $"account {input.evidence.account_id} has no name in data.fleet.environments.names that can be in a path"
}

_environment := name if {
	name := data.fleet.environments.names[input.evidence.account_id]
	is_string(name)
	regex.match(`^[a-z][a-z0-9-]{0,30}$`, name)
}
