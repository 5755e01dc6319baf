package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_subscription_selector := "subscription-id:0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11"

_network_selectors := {
	"network-security-group:Net-RG:Web",
	"virtual-network-subnet:Net-RG:Main:front",
	"virtual-network:Net-RG:Main",
}

_token_selectors := {
	"a virtual machine's": {"claims": evidence, "want": {_subscription_selector, "vm-name:web-rg:Web-1"}},
	"a scale set's": {"claims": object.union(evidence, {"machine": scale_set}), "want": {_subscription_selector}},
	"a scale set instance's": {
		"claims": object.union(evidence, {"machine": object.union(scale_set, {
			"type": "virtualmachinescalesets/virtualmachines",
			"name": "web/3",
		})}),
		"want": {_subscription_selector},
	},
	"one for an API of one's own": {"claims": nameless, "want": set()},
}

test_selectors_token_cases if count(_token_selectors) == 4

test_selectors_of_a_token[name] if {
	some name, tc in _token_selectors
	azure_msi.selector == tc.want with data.gatehouse.config as config
		with input as changed(token_only, "evidence", tc.claims)
}

# SPIRE's own attestor shows the subscription as it was configured.
_spellings := {
	"upper case": {"id": upper(subscription), "want": upper(subscription)},
	"lower case": {"id": subscription, "want": subscription},
	"another": {"id": "11111111-2222-3333-4444-555555555555", "want": subscription},
	"none": {"id": "", "want": subscription},
}

test_selectors_spelling_cases if count(_spellings) == 4

test_selectors_spell_the_subscription[name] if {
	some name, tc in _spellings
	azure_msi.selector == {$"subscription-id:{tc.want}", "vm-name:web-rg:Web-1"} with input as token_only
		with data.gatehouse.config as configured({"subscription_id": tc.id})
}

test_selectors_of_a_token_without_settings if {
	azure_msi.selector == {_subscription_selector, "vm-name:web-rg:Web-1"} with input as token_only
		with data.gatehouse.config as {}
}

test_selectors_of_facts if {
	azure_msi.selector == _network_selectors | {_subscription_selector, "vm-name:Web-RG:web-1"}
		with input as decision_input
		with data.gatehouse.config as config
}

test_selectors_of_a_machine_found_by_principal if {
	azure_msi.selector == _network_selectors | {_subscription_selector, "vm-name:Web-RG:web-1"}
		with input as changed(decision_input, "evidence", nameless)
		with data.gatehouse.config as config
}

test_selectors_of_several_networks if {
	facts := {"virtual_machine": virtual_machine, "network": {
		"interfaces": [],
		"security_groups": [security_group, {"resource_group": "Shared", "name": "backup"}],
		"virtual_networks": [virtual_network, {"resource_group": "Shared", "name": "Main"}],
		"subnets": [
			subnet,
			{"resource_group": "Shared", "virtual_network": "Main", "name": "front"},
			{"resource_group": "Shared", "virtual_network": "Main", "name": "back"},
		],
	}}
	azure_msi.selector == _network_selectors | {
		_subscription_selector,
		"vm-name:Web-RG:web-1",
		"network-security-group:Shared:backup",
		"virtual-network-subnet:Shared:Main:back",
		"virtual-network-subnet:Shared:Main:front",
		"virtual-network:Shared:Main",
	} with input as changed(decision_input, "facts", facts)
		with data.gatehouse.config as config
}

test_selectors_of_a_machine_without_networks if {
	facts := {"virtual_machine": virtual_machine, "network": {
		"interfaces": [],
		"security_groups": [],
		"virtual_networks": [],
		"subnets": [],
	}}
	azure_msi.selector == {_subscription_selector, "vm-name:Web-RG:web-1"}
		with input as changed(decision_input, "facts", facts)
		with data.gatehouse.config as config
}
