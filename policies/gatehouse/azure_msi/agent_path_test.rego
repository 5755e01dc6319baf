package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_templated := object.union(config, {"agent_path_template": "/{{ .PluginName }}/{{ .PrincipalID }}"})

_rendered := changed(admission_input, "templated_agent_path", $"/spire/agent/azure_msi/{principal}")

test_agent_path_is_the_built_in_attestors if {
	azure_msi.agent_path == path with input as admission_input with data.gatehouse.config as config
}

# SPIRE's own attestor takes the subject as it is signed.
test_agent_path_keeps_the_subjects_case if {
	azure_msi.agent_path == $"/spire/agent/azure_msi/{tenant}/Some_Subject.1" with data.gatehouse.config as config
		with input as changed(admission_input, "evidence/principal_id", "Some_Subject.1")
}

test_agent_path_needs_its_parts[field] if {
	some field in ["tenant_id", "principal_id"]
	not azure_msi.agent_path with data.gatehouse.config as config
		with input as without(admission_input, $"evidence/{field}")
}

test_agent_path_of_a_template if {
	azure_msi.agent_path == $"/spire/agent/azure_msi/{principal}" with input as _rendered
		with data.gatehouse.config as _templated
}

test_agent_path_waits_for_the_template if {
	not azure_msi.agent_path with input as admission_input with data.gatehouse.config as _templated
}

test_agent_path_without_a_template_is_not_rendered if {
	azure_msi.agent_path == path with input as _rendered with data.gatehouse.config as config
}

test_agent_path_without_configuration_is_the_built_in_attestors if {
	azure_msi.agent_path == path with input as admission_input with data.gatehouse.config as {}
}
