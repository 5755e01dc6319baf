package gatehouse.aws_iid

# METADATA
# title: The agent's path
# description: |
#   agent_path_template as Go renders it, undefined until then: a template with
#   tags needs facts. Without a template
#   /spire/agent/aws_iid/ACCOUNT/REGION/INSTANCE, as SPIRE's own attestor has it:
#   records of first use are kept under the path.
# scope: document
agent_path := input.templated_agent_path if _templated

agent_path := concat("/", [
	"/spire/agent/aws_iid",
	input.evidence.account_id,
	input.evidence.region,
	input.evidence.instance_id,
]) if {
	not _templated
}

_templated if data.gatehouse.config.agent_path_template != ""
