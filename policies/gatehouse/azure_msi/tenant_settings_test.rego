package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_other_tenant := "dd14e835-679a-4703-b4de-8f00a20c732e"

_of_other := changed(admission_input, "evidence/tenant_id", _other_tenant)

_added_settings := {
	"resource_id": "https://management.azure.com/",
	"subscription_id": "",
	"app_id": "",
	"credential": "default",
}

test_tenant_settings_of_plugin_data if {
	azure_msi.tenant_settings == settings with input as admission_input with data.gatehouse.config as config
}

test_tenant_settings_compare_without_case if {
	azure_msi.tenant_settings == settings with data.gatehouse.config as config
		with input as changed(admission_input, "evidence/tenant_id", upper(tenant))
}

_policy_data := {
	"defaults": {"data": {_other_tenant: {}}, "want": {}},
	"upper case": {"data": {upper(_other_tenant): {}}, "want": {}},
	"resource ID": {
		"data": {_other_tenant: {"resource_id": "api://gatehouse"}},
		"want": {"resource_id": "api://gatehouse"},
	},
	"subscription": {
		"data": {_other_tenant: {"subscription_id": subscription}},
		"want": {"subscription_id": subscription},
	},
	"credentials have no place there": {
		"data": {_other_tenant: {"credential": "app_secret", "app_id": "x", "app_secret": "hush"}},
		"want": {},
	},
	"others beside": {"data": {_other_tenant: {}, tenant: {"resource_id": "x"}, "x": 1}, "want": {}},
}

test_tenant_settings_policy_data_cases if count(_policy_data) == 6

test_tenant_settings_of_policy_data[name] if {
	some name, tc in _policy_data
	azure_msi.tenant_settings == object.union(_added_settings, tc.want) with input as _of_other
		with data.gatehouse.config as config
		with azure_msi.tenants as tc.data
}

test_tenant_settings_of_plugin_data_come_first if {
	azure_msi.tenant_settings == settings with input as admission_input
		with data.gatehouse.config as config
		with azure_msi.tenants as {tenant: {"resource_id": "api://gatehouse"}}
}

_no_settings := {
	"no data": {},
	"other tenants": {"dd14e835-679a-4703-b4de-8f00a20c732f": {}, concat("", [_other_tenant, " "]): {}},
	"two spellings": {_other_tenant: {}, upper(_other_tenant): {}},
	"a list": [_other_tenant],
	"a text": _other_tenant,
	"settings are a text": {_other_tenant: "api://gatehouse"},
	"settings are null": {_other_tenant: null},
}

test_tenant_settings_no_settings_cases if count(_no_settings) == 7

test_tenant_settings_are_undefined[name] if {
	some name, added in _no_settings
	not azure_msi.tenant_settings with input as _of_other
		with data.gatehouse.config as config
		with azure_msi.tenants as added
}

test_tenant_settings_are_undefined_without_configuration if {
	not azure_msi.tenant_settings with input as admission_input with data.gatehouse.config as {}
}

test_tenant_settings_are_undefined_without_a_tenant if {
	not azure_msi.tenant_settings with data.gatehouse.config as config
		with input as without(admission_input, "evidence/tenant_id")
}
