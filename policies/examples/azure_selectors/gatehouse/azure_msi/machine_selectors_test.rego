package azure_selectors_test

import data.gatehouse.azure_msi
import data.gatehouse.azure_msi_test as fixtures

_selector_cases := {
	"tags, location and scale set": {
		"machine": {
			"tags": {"team": "blog", "empty": ""},
			"location": "westeurope",
			"scale_set": {"resource_group": "web-rg", "name": "workers"},
		},
		"more": {"vm-tag:team:blog", "vm-tag:empty:", "vm-location:westeurope", "vmss-name:web-rg:workers"},
	},
	"none of them": {"machine": {}, "more": set()},
	"no scale set": {"machine": {"tags": {}, "location": "westeurope"}, "more": {"vm-location:westeurope"}},
}

test_machine_selector_cases if count(_selector_cases) == 3

test_machine_selectors[name] if {
	some name, tc in _selector_cases
	selectors := azure_msi.selector with data.gatehouse.config as fixtures.config
		with input as fixtures.changed(fixtures.decision_input, "facts/virtual_machine", tc.machine)
	{value | some value in selectors; regex.match(`^(vm-tag|vm-location|vmss-name):`, value)} == tc.more
}
