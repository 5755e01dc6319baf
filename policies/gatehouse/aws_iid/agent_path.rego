package gatehouse.aws_iid

# METADATA
# title: The agent's path
# description: |
#   /spire/agent/aws_iid/ACCOUNT/REGION/INSTANCE, as SPIRE's own attestor renders
#   it: records of first use are kept under it.
# scope: document
agent_path := concat("/", [
	"/spire/agent/aws_iid",
	input.evidence.account_id,
	input.evidence.region,
	input.evidence.instance_id,
])
