package gatehouse.azure_msi

# METADATA
# title: The token's tenant is configured
# description: |
#   Anybody can have a tenant of their own, with machines whose tokens are as genuine
#   as yours.
admission_violation contains {"rule": "tenant", "msg": msg} if {
	not tenant_settings
	msg := $"tenant {input.evidence.tenant_id} is not configured, in plugin_data or (once) in policy data"
}
