package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_network_reason := {"rule": "network", "msg": $"the network of virtual machine {vm_id.id} is not known"}

test_network_denies_a_machine_without[status] if {
	some status in ["absent", "error", "not_collected", ""]
	azure_msi.violation == {_network_reason} with data.gatehouse.config as config
		with input as changed(without(decision_input, "facts/network"), "facts_status/network", status)
}

test_network_is_not_judged_without_a_machine if {
	azure_msi.violation == set() with input as token_only with data.gatehouse.config as config
}
