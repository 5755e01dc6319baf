package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_vm_reason(id, text) := {"rule": "virtual_machine", "msg": $"machine {id} of principal {principal} {text}"}

_gone := "is not there, or doesn't hold the token's identity"

_no_credential := "can't be looked up: there is no Azure credential, though one is expected"

_unknown := "is not known to be there"

# What decision sees when a fact is not there, for a reason.
_not_there(claims, status) := object.union(changed(admission_input, "evidence", claims), {
	"facts": {},
	"facts_status": {"virtual_machine": status, "network": status},
})

test_virtual_machine_asks_for_the_machine if {
	azure_msi.required_fact == {"network", "virtual_machine"}
}

_missing_machines := {
	"gone": {"claims": evidence, "status": "absent", "want": _vm_reason(vm_id.id, _gone)},
	"not found by its principal": {
		"claims": nameless, "status": "absent",
		"want": _vm_reason("<undefined>", _gone),
	},
	"not learned": {"claims": evidence, "status": "error", "want": _vm_reason(vm_id.id, _unknown)},
	"odd status": {"claims": evidence, "status": "known", "want": _vm_reason(vm_id.id, _unknown)},
	"scale set, not learned": {
		"claims": object.union(evidence, {"machine": scale_set}), "status": "error",
		"want": _vm_reason(scale_set.id, _unknown),
	},
	"a scale set's instance, gone": {
		"claims": object.union(evidence, {"machine": {
			"id": $"{scale_set.id}/virtualmachines/3",
			"type": "virtualmachinescalesets/virtualmachines",
		}}),
		"status": "absent",
		"want": _vm_reason($"{scale_set.id}/virtualmachines/3", _gone),
	},
}

test_virtual_machine_missing_cases if count(_missing_machines) == 6

test_virtual_machine_denies[name] if {
	some name, tc in _missing_machines
	azure_msi.violation == {tc.want} with data.gatehouse.config as config
		with input as _not_there(tc.claims, tc.status)
}

test_virtual_machine_denies_without_a_status if {
	azure_msi.violation == {_vm_reason(vm_id.id, _unknown)} with data.gatehouse.config as config
		with input as object.union(admission_input, {"facts": {}, "facts_status": {}})
}

test_virtual_machine_denies_without_facts if {
	azure_msi.violation == {_vm_reason(vm_id.id, _unknown)} with data.gatehouse.config as config
		with input as admission_input
}

# Where a credential is expected, the token alone is not enough.
_expecting := {
	"secret": {"credential": "app_secret"},
	"federated token": {"credential": "federated_token_file"},
	"subscription": {"subscription_id": subscription},
}

test_virtual_machine_expecting_cases if count(_expecting) == 3

test_virtual_machine_denies_without_the_expected_credential[name] if {
	some name, change in _expecting
	azure_msi.violation == {_vm_reason(vm_id.id, _no_credential)} with input as token_only
		with data.gatehouse.config as configured(change)
}

test_virtual_machine_denies_without_a_credential_and_settings if {
	azure_msi.violation == {_vm_reason(vm_id.id, _no_credential)} with input as token_only
		with data.gatehouse.config as {}
}

test_virtual_machine_accepts_a_token_alone[name] if {
	some name, claims in {"names its machine": evidence, "names nothing": nameless}
	azure_msi.violation == set() with data.gatehouse.config as config
		with input as _not_there(claims, "not_collected")
}

test_virtual_machine_accepts_a_scale_sets_token if {
	azure_msi.violation == set() with data.gatehouse.config as config
		with input as _not_there(object.union(evidence, {"machine": scale_set}), "absent")
}

_looked_up(id) := _vm_reason(vm_id.id, $"is not the one that was looked up, {id}")

_other_machines := {
	"a longer name": concat("", [vm_id.id, "0"]),
	"a shorter name": trim_suffix(vm_id.id, "1"),
	"another case": upper(vm_id.id),
	"empty": "",
}

test_virtual_machine_other_cases if count(_other_machines) == 4

test_virtual_machine_denies_another[name] if {
	some name, id in _other_machines
	azure_msi.violation == {_looked_up(id)} with data.gatehouse.config as config
		with input as changed(decision_input, "facts/virtual_machine/id", id)
}

# Go never says that a fact is there and why it is not. If it did, the fact counts.
test_virtual_machine_denies_another_whatever_the_status[status] if {
	some status in ["absent", "not_collected", "error"]
	azure_msi.violation == {_looked_up("x")} with data.gatehouse.config as config
		with input as changed(_another, "facts_status/virtual_machine", status)
}

_another := changed(decision_input, "facts/virtual_machine/id", "x")

test_virtual_machine_denies_another_than_the_scale_set if {
	bad := changed(decision_input, "evidence/machine", scale_set)
	azure_msi.violation == {_vm_reason(scale_set.id, $"is not the one that was looked up, {vm_id.id}")}
		with data.gatehouse.config as config
		with input as changed(bad, "facts_status/virtual_machine", "absent")
}

test_virtual_machine_denies_without_evidence if {
	azure_msi.violation == {{
		"rule": "virtual_machine",
		"msg": $"machine <undefined> of principal <undefined> is not the one that was looked up, {vm_id.id}",
	}} with input as without(decision_input, "evidence")
		with data.gatehouse.config as config
}

test_virtual_machine_denies_one_without_id if {
	azure_msi.violation == {
		_looked_up("<undefined>"),
	} with data.gatehouse.config as config
		with input as without(decision_input, "facts/virtual_machine/id")
}

test_virtual_machine_accepts_the_one_found_by_principal if {
	azure_msi.violation == set() with data.gatehouse.config as config
		with input as changed(decision_input, "evidence", nameless)
}

# A token that names anything is of that, whatever was found.
test_virtual_machine_denies_one_found_for_a_token_that_names_something[claim] if {
	some claim in ["xms_mirid", "xms_az_rid"]
	azure_msi.violation == {_vm_reason("<undefined>", $"is not the one that was looked up, {vm_id.id}")}
		with data.gatehouse.config as config
		with input as changed(decision_input, "evidence", object.union(nameless, {claim: _container}))
}
