package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_other_subscription := "11111111-2222-3333-4444-555555555555"

_in_other := configured({"subscription_id": _other_subscription, "credential": "app_secret"})

_elsewhere := $"{vm_id.id} is in subscription {subscription}, not in {_other_subscription}"

test_subscription_denies_another_one if {
	azure_msi.admission_violation == {{"rule": "subscription", "msg": $"machine {_elsewhere}"}}
		with input as admission_input
		with data.gatehouse.config as _in_other
}

test_subscription_denies_a_machine_without_one if {
	azure_msi.admission_violation == {{"rule": "subscription", "msg": concat("", [
		$"machine {vm_id.id} is in subscription <undefined>, ",
		$"not in {subscription}",
	])}} with input as without(admission_input, "evidence/machine/subscription_id")
		with data.gatehouse.config as configured({"subscription_id": subscription})
}

test_subscription_accepts[id] if {
	some id in ["", subscription, upper(subscription)]
	azure_msi.decision.violations == set() with input as decision_input
		with data.gatehouse.config as configured({"subscription_id": id})
}

# Then what is found has to be in it.
test_subscription_waits_for_facts_about_a_nameless_token if {
	azure_msi.admission_violation == set() with input as changed(admission_input, "evidence", nameless)
		with data.gatehouse.config as configured({
			"subscription_id": _other_subscription,
			"resource_id": nameless.audience,
		})
}

_found := changed(decision_input, "evidence", nameless)

test_subscription_denies_a_machine_that_was_found_in_another_one if {
	azure_msi.violation == {{"rule": "subscription", "msg": $"virtual machine {_elsewhere}"}}
		with input as _found
		with data.gatehouse.config as _in_other
}

test_subscription_denies_a_machine_that_was_found_nowhere if {
	azure_msi.violation == {{"rule": "subscription", "msg": concat("", [
		$"virtual machine {vm_id.id} is in subscription <undefined>, ",
		$"not in {subscription}",
	])}} with input as without(_found, "facts/virtual_machine/subscription_id")
		with data.gatehouse.config as configured({"subscription_id": subscription})
}

test_subscription_accepts_a_machine_that_was_found[id] if {
	some id in ["", subscription, upper(subscription)]
	azure_msi.violation == set() with input as _found
		with data.gatehouse.config as configured({"subscription_id": id})
}
