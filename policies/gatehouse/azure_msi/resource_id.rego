package gatehouse.azure_msi

# METADATA
# title: The token is for the tenant's resource ID
# description: |
#   A token for another service proves nothing here: that service, and whoever reads
#   its logs, has it too. The audience is compared as it is, trailing slash included.
admission_violation contains {"rule": "resource_id", "msg": msg} if {
	not input.evidence.audience == tenant_settings.resource_id
	msg := $"the token is for {input.evidence.audience}, not for {tenant_settings.resource_id}"
}
