package gatehouse.azure_msi

# METADATA
# title: What is configured for the token's tenant
# description: |
#   The tenant's settings in plugin_data, or else in policy data, where a security
#   team adds tenants without touching SPIRE's configuration. A data.json beside
#   this file would be
#
#       {"tenants": {"9e85e111-1103-48fc-a933-9533fe47de05": {"resource_id": "api://gatehouse"}}}
#
#   Tenant IDs are compared without regard to case. Policy data adds tenants: of a
#   tenant in plugin_data it changes nothing. Undefined for any other tenant, and
#   for one that policy data has twice, in two spellings.
# scope: document
tenant_settings := _configured_tenants[lower(input.evidence.tenant_id)]

tenant_settings := settings if {
	not _configured_tenants[lower(input.evidence.tenant_id)]
	count(_added_tenants) == 1
	some settings in _added_tenants
}

_configured_tenants := data.gatehouse.config.tenants

# Policy data is what somebody wrote: what is no object of settings is no tenant.
_added_tenants := [settings |
	some id, added in data.gatehouse.azure_msi.tenants
	is_string(id)
	is_object(added)
	lower(id) == lower(input.evidence.tenant_id)
	settings := {
		"resource_id": object.get(added, "resource_id", "https://management.azure.com/"),
		"subscription_id": object.get(added, "subscription_id", ""),
		"app_id": "",
		"credential": "default",
	}
]
