package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_tenant_reason(id) := {
	"rule": "tenant",
	"msg": $"tenant {id} is not configured, in plugin_data or (once) in policy data",
}

_no_resource_id := {
	"rule": "resource_id",
	"msg": "the token is for https://management.azure.com/, not for <undefined>",
}

_unknown_tenants := {
	"another": "dd14e835-679a-4703-b4de-8f00a20c732e",
	"one digit more": "9e85e111-1103-48fc-a933-9533fe47de050",
	"one digit less": "9e85e111-1103-48fc-a933-9533fe47de0",
	"trailing space": "9e85e111-1103-48fc-a933-9533fe47de05 ",
	"braces": "{9e85e111-1103-48fc-a933-9533fe47de05}",
	"empty": "",
}

test_tenant_cases if count(_unknown_tenants) == 6

test_tenant_denies[name] if {
	some name, id in _unknown_tenants
	azure_msi.admission_violation == {_tenant_reason(id), _no_resource_id} with data.gatehouse.config as config
		with input as changed(admission_input, "evidence/tenant_id", id)
}

test_tenant_denies_a_missing_tenant if {
	azure_msi.admission_violation == {_tenant_reason("<undefined>"), _no_resource_id}
		with data.gatehouse.config as config
		with input as without(admission_input, "evidence/tenant_id")
}

test_tenant_denies_without_configuration if {
	azure_msi.admission_violation == {_tenant_reason(tenant), _no_resource_id} with data.gatehouse.config as {}
		with input as admission_input
}

test_tenant_accepts_one_of_policy_data if {
	azure_msi.admission_violation == set() with input as admission_input
		with data.gatehouse.config as object.remove(config, ["tenants"])
		with azure_msi.tenants as {upper(tenant): {}}
}
