package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

test_admission_of_a_good_instance if {
	aws_iid.admission == {
		"violations": set(),
		"exempt": set(),
		"facts": {"required": {"instance", "instance_profile"}, "optional": set()},
		"agent_path": path,
	} with input as admission_input with data.gatehouse.config as config
}

test_admission_does_not_wait_for_first_use if {
	aws_iid.admission.violations == set() with input as without(admission_input, "tofu")
		with data.gatehouse.config as config
}

test_admission_without_an_agent_path if {
	answer := aws_iid.admission with input as without(admission_input, "evidence/account_id")
		with data.gatehouse.config as config
	answer == {
		"violations": set(),
		"exempt": set(),
		"facts": {"required": {"instance", "instance_profile"}, "optional": set()},
	}
}

test_decision_on_a_good_instance if {
	aws_iid.decision == {
		"violations": set(),
		"exempt": set(),
		"agent_path": path,
		"selectors": {
			"account_id:123456789012",
			"az:us-west-2a",
			"image:id:ami-0fa9e1f64142cde17",
			"instance:id:i-0123456789abcdef0",
			"region:us-west-2",
			"sg:id:sg-0123456789abcdef0",
			"sg:name:web",
			"tag:Name:blog",
		},
		"can_reattest": false,
		"warnings": set(),
	} with input as decision_input with data.gatehouse.config as config
}

# Nothing known denies by every rule.
test_decision_on_nothing if {
	aws_iid.decision == {
		"violations": {
			{"rule": "block_device", "msg": "instance <undefined> has no network interface with device index 0"},
			{"rule": "instance_state", "msg": "instance <undefined> is of unknown state, not pending or running"},
			{"rule": "instance_state", "msg": "the document is of instance <undefined>, the facts are of <undefined>"},
			{"rule": "partition", "msg": concat("", [
				"region <undefined> is in partition <undefined>, ",
				"but the configured partition is <undefined>",
			])},
			{"rule": "signature_strength", "msg": "the identity document is signed with <undefined>, not with rsa2048"},
			{"rule": "tofu", "msg": "it is not known whether agent <undefined> has attested before"},
		},
		"exempt": set(),
		"selectors": set(),
		"can_reattest": false,
		"warnings": set(),
	} with input as {}
}

# The decision judges again what the admission judged.
test_decision_repeats_admission if {
	bad := changed(decision_input, "evidence/signature_kind", "rsa1024")
	aws_iid.decision.violations == {{
		"rule": "signature_strength",
		"msg": "the identity document is signed with rsa1024, not with rsa2048",
	}} with input as bad with data.gatehouse.config as config
}

# What is added to a set comes out under the answer's key for it.
test_every_set_reaches_its_answer if {
	added := {{"rule": "x", "msg": "y"}}
	answer := {"admission": aws_iid.admission, "decision": aws_iid.decision} with input as {"plugin": ""}
		with aws_iid._none as added
	nothing := {"admission": aws_iid.admission, "decision": aws_iid.decision} with input as {"plugin": ""}
	answer == {
		"admission": {
			"violations": (nothing.admission.violations | added),
			"exempt": added,
			"facts": {"required": ({"instance", "instance_profile"} | added), "optional": added},
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
