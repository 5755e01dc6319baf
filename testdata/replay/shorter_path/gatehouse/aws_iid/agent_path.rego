package gatehouse.aws_iid

# METADATA
# title: Agent path
# description: Without the region.
# scope: document
agent_path := $"/spire/agent/aws_iid/{input.evidence.account_id}/{input.evidence.instance_id}"
