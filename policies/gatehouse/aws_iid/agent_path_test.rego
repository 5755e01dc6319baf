package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_templated := object.union(config, {"agent_path_template": "/{{ .PluginName }}/{{ .Tags.team }}/{{ .InstanceID }}"})

_rendered := changed(admission_input, "templated_agent_path", "/spire/agent/aws_iid/shop/i-0123456789abcdef0")

test_agent_path_is_the_built_in_attestors if {
	aws_iid.agent_path == path with input as admission_input with data.gatehouse.config as config
}

test_agent_path_needs_its_parts[field] if {
	some field in ["account_id", "region", "instance_id"]
	not aws_iid.agent_path with data.gatehouse.config as config
		with input as without(admission_input, $"evidence/{field}")
}

test_agent_path_of_a_template if {
	aws_iid.agent_path == "/spire/agent/aws_iid/shop/i-0123456789abcdef0" with input as _rendered
		with data.gatehouse.config as _templated
}

# A node must never have the built-in path first and the template's later.
test_agent_path_waits_for_the_template if {
	not aws_iid.agent_path with input as admission_input with data.gatehouse.config as _templated
}

test_agent_path_without_a_template_is_not_rendered if {
	aws_iid.agent_path == path with input as _rendered with data.gatehouse.config as config
}

test_agent_path_without_configuration_is_the_built_in_attestors if {
	aws_iid.agent_path == path with input as admission_input with data.gatehouse.config as {}
}
