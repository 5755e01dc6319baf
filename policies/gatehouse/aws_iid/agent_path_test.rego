package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

test_agent_path_is_the_built_in_attestors if {
	aws_iid.agent_path == "/spire/agent/aws_iid/123456789012/us-west-2/i-0123456789abcdef0" with input as admission_input
}

test_agent_path_needs_its_parts[field] if {
	some field in ["account_id", "region", "instance_id"]
	not aws_iid.agent_path with input as without(admission_input, $"evidence/{field}")
}
