package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

test_admission_of_a_good_machine if {
	azure_msi.admission == {
		"violations": set(),
		"exempt": set(),
		"facts": {"required": {"network", "virtual_machine"}, "optional": set()},
		"agent_path": path,
	} with input as admission_input with data.gatehouse.config as config
}

test_admission_does_not_wait_for_first_use if {
	azure_msi.admission.violations == set() with input as without(admission_input, "tofu")
		with data.gatehouse.config as config
}

test_decision_on_a_good_machine if {
	azure_msi.decision == {
		"violations": set(),
		"exempt": set(),
		"agent_path": path,
		"selectors": {
			"network-security-group:Net-RG:Web",
			"subscription-id:0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11",
			"virtual-network-subnet:Net-RG:Main:front",
			"virtual-network:Net-RG:Main",
			"vm-name:Web-RG:web-1",
		},
		"can_reattest": false,
		"warnings": set(),
	} with input as decision_input with data.gatehouse.config as config
}

test_decision_on_a_token_alone if {
	azure_msi.decision == {
		"violations": set(),
		"exempt": set(),
		"agent_path": path,
		"selectors": {
			"subscription-id:0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11",
			"vm-name:web-rg:Web-1",
		},
		"can_reattest": false,
		"warnings": set(),
	} with input as token_only with data.gatehouse.config as config
}

# Nothing known denies by every rule that asks for something.
test_decision_on_nothing if {
	azure_msi.decision == {
		"violations": {
			{"rule": "resource_id", "msg": "the token is for <undefined>, not for <undefined>"},
			{
				"rule": "tenant",
				"msg": "tenant <undefined> is not configured, in plugin_data or (once) in policy data",
			},
			{"rule": "tofu", "msg": "it is not known whether agent <undefined> has attested before"},
			{"rule": "token_kind", "msg": concat("", [
				"the token of principal <undefined> is not an application's: ",
				"idtyp <undefined>, scp <undefined>, oid <undefined>",
			])},
			{"rule": "token_kind", "msg": concat("", [
				"the token of principal <undefined> for <undefined> is not a machine's: ",
				"xms_mirid <undefined>, xms_az_rid <undefined>",
			])},
			{
				"rule": "virtual_machine",
				"msg": "machine <undefined> of principal <undefined> is not known to be there",
			},
		},
		"exempt": set(),
		"selectors": set(),
		"can_reattest": false,
		"warnings": set(),
	} with input as {}
}

# The decision judges again what the admission judged.
test_decision_repeats_admission if {
	bad := changed(decision_input, "evidence/audience", "https://graph.microsoft.com/")
	azure_msi.decision.violations == {{
		"rule": "resource_id",
		"msg": "the token is for https://graph.microsoft.com/, not for https://management.azure.com/",
	}} with input as bad with data.gatehouse.config as config
}

# What is added to a set comes out under the answer's key for it.
test_every_set_reaches_its_answer if {
	added := {{"rule": "x", "msg": "y"}}
	answer := {"admission": azure_msi.admission, "decision": azure_msi.decision} with input as {"plugin": ""}
		with azure_msi._none as added
	nothing := {"admission": azure_msi.admission, "decision": azure_msi.decision} with input as {"plugin": ""}
	answer == {
		"admission": {
			"violations": (nothing.admission.violations | added),
			"exempt": added,
			"facts": {"required": ({"network", "virtual_machine"} | added), "optional": added},
		},
		"decision": {
			"violations": (nothing.decision.violations | added),
			"exempt": added,
			"selectors": added,
			"can_reattest": false,
			"warnings": added,
		},
	}
}
