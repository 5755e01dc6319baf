package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_thing_reason(audience, mirid, az_rid) := {"rule": "token_kind", "msg": concat("", [
	$"the token of principal {principal} for {audience} is not a machine's: ",
	$"xms_mirid {mirid}, xms_az_rid {az_rid}",
])}

_other(provider, type) := {
	"id": $"/subscriptions/{subscription}/resourcegroups/web-rg/providers/{provider}/{type}/x",
	"subscription_id": subscription,
	"provider": provider,
	"type": type,
	"resource_group": "web-rg",
	"name": "x",
}

_container := _other("microsoft.containerinstance", "containergroups")

_identity := _other("microsoft.managedidentity", "userassignedidentities")

_unnamed := object.remove(evidence, ["machine", "xms_mirid", "identity_kind"])

_things := {
	"a container": {
		"claims": object.union(_unnamed, {"xms_mirid": _container}),
		"want": [_container.id, "<undefined>"],
	},
	"an identity without its machine": {
		"claims": object.union(_unnamed, {"xms_mirid": _identity}),
		"want": [_identity.id, "<undefined>"],
	},
	"an identity used by a container": {
		"claims": object.union(_unnamed, {"xms_mirid": _identity, "xms_az_rid": _container}),
		"want": [_identity.id, _container.id],
	},
	"a container alone in xms_az_rid": {
		"claims": object.union(_unnamed, {"xms_az_rid": _container}),
		"want": ["<undefined>", _container.id],
	},
	"an application registration": {"claims": _unnamed, "want": ["<undefined>", "<undefined>"]},
}

test_token_kind_thing_cases if count(_things) == 5

test_token_kind_denies_things[name] if {
	some name, tc in _things
	azure_msi.admission_violation == {_thing_reason("https://management.azure.com/", tc.want[0], tc.want[1])}
		with data.gatehouse.config as config
		with input as changed(admission_input, "evidence", tc.claims)
}

# A container stays one when the token is for another API.
test_token_kind_denies_things_of_own_api if {
	azure_msi.admission_violation == {_thing_reason("api://gatehouse", _container.id, "<undefined>")}
		with data.gatehouse.config as own_api
		with input as changed(admission_input, "evidence", object.union(nameless, {"xms_mirid": _container}))
}

test_token_kind_denies_users_of_things_of_own_api if {
	azure_msi.admission_violation == {_thing_reason("api://gatehouse", "<undefined>", _container.id)}
		with data.gatehouse.config as own_api
		with input as changed(admission_input, "evidence", object.union(nameless, {"xms_az_rid": _container}))
}

_machines := {
	"a virtual machine": evidence,
	"a scale set": object.union(evidence, {"machine": scale_set}),
	"an identity's machine": object.union(evidence, {"xms_mirid": _identity, "xms_az_rid": vm_id}),
}

test_token_kind_machine_cases if count(_machines) == 3

test_token_kind_accepts_machines[name] if {
	some name, claims in _machines
	azure_msi.admission_violation == set() with data.gatehouse.config as config
		with input as changed(admission_input, "evidence", claims)
}

# For Microsoft's own services, a machine's token names the machine.
_own_services := [
	"https://management.azure.com/",
	"https://management.azure.com",
	"https://MANAGEMENT.AZURE.COM/",
	"https://management.azure.com:443/",
	"https://management.core.windows.net/",
	"https://graph.microsoft.com",
	"https://vault.azure.net",
	"http://azure.com",
	"https://management.usgovcloudapi.net/",
	"https://management.chinacloudapi.cn/",
	"https://vault.azure.cn",
	"https://api.loganalytics.azure.us",
	"https://graph.microsoft.us",
]

_own_apis := [
	"api://gatehouse",
	"api://management.azure.com/",
	"6f3c1d5e-0d8e-4f53-9a53-4f5dd8f4d0a1",
	"https://example.org/management.azure.com/",
	"https://azure.com.example.org/",
	"https://notazure.com/",
	"https://contoso.onmicrosoft.com/gatehouse",
	"http://example.org/app/",
	"https:",
	"https:/azure.com",
	"https:/x/azure.com",
	"",
]

test_token_kind_audience_cases if {
	count(_own_services) == 13
	count(_own_apis) == 12
}

test_token_kind_wants_a_name_for_microsofts_services[audience] if {
	some audience in _own_services
	azure_msi.admission_violation == {_thing_reason(audience, "<undefined>", "<undefined>")}
		with data.gatehouse.config as configured({"resource_id": audience})
		with input as changed(admission_input, "evidence", object.union(nameless, {"audience": audience}))
}

test_token_kind_wants_no_name_for_other_apis[name] if {
	some audience in _own_apis
	name := $"'{audience}'"
	azure_msi.admission_violation == set() with data.gatehouse.config as configured({"resource_id": audience})
		with input as changed(admission_input, "evidence", object.union(nameless, {"audience": audience}))
}
