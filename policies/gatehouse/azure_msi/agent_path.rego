package gatehouse.azure_msi

# METADATA
# title: The agent's path
# description: |
#   agent_path_template as Go renders it. Without a template
#   /spire/agent/azure_msi/TENANT/PRINCIPAL, as SPIRE's own attestor has it:
#   records of first use are kept under the path.
# scope: document
agent_path := input.templated_agent_path if _templated

agent_path := concat("/", [
	"/spire/agent/azure_msi",
	input.evidence.tenant_id,
	input.evidence.principal_id,
]) if {
	not _templated
}

_templated if data.gatehouse.config.agent_path_template != ""
