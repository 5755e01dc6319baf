package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_resource_id_reason(audience, wanted) := {
	"rule": "resource_id",
	"msg": $"the token is for {audience}, not for {wanted}",
}

_custom := configured({"resource_id": "https://example.org/app/"})

_audiences := {
	"no trailing slash": "https://example.org/app",
	"two trailing slashes": "https://example.org/app//",
	"upper case": "https://EXAMPLE.org/app/",
	"plain HTTP": "http://example.org/app/",
	"longer": "https://example.org/app/2",
	"the default": "https://management.azure.com/",
	"Graph": "https://graph.microsoft.com/",
	"empty": "",
}

test_resource_id_cases if count(_audiences) == 8

test_resource_id_denies[name] if {
	some name, audience in _audiences
	azure_msi.admission_violation == {_resource_id_reason(audience, "https://example.org/app/")}
		with data.gatehouse.config as _custom
		with input as changed(admission_input, "evidence/audience", audience)
}

test_resource_id_denies_a_missing_audience if {
	azure_msi.admission_violation == {_resource_id_reason("<undefined>", "https://example.org/app/")}
		with data.gatehouse.config as _custom
		with input as without(admission_input, "evidence/audience")
}

# A list in policy data is not among its elements.
test_resource_id_denies_what_is_configured_as_no_text[shown] if {
	some id in [null, ["https://management.azure.com/"], true]
	shown := $"{id}"
	azure_msi.admission_violation == {_resource_id_reason("https://management.azure.com/", shown)}
		with input as admission_input
		with data.gatehouse.config as object.remove(config, ["tenants"])
		with azure_msi.tenants as {tenant: {"resource_id": id}}
}

test_resource_id_accepts_the_configured_one if {
	azure_msi.admission_violation == set() with data.gatehouse.config as _custom
		with input as changed(admission_input, "evidence/audience", "https://example.org/app/")
}
