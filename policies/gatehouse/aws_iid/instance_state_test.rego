package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_state_reason(state) := {
	"rule": "instance_state",
	"msg": $"instance i-0123456789abcdef0 is {state}, not pending or running",
}

_id_reason(id) := {
	"rule": "instance_state",
	"msg": $"the document is of instance i-0123456789abcdef0, the facts are of {id}",
}

# Where nothing is known of the instance, nothing is known of its devices.
_no_devices := {_no_interface}

_bad_states := ["stopped", "stopping", "shutting-down", "terminated", "Running", "running ", "", null, ["running"]]

test_instance_state_cases if count(_bad_states) == 9

test_instance_state_denies[name] if {
	some state in _bad_states
	name := $"{state}"
	aws_iid.violation == {_state_reason(name)} with data.gatehouse.config as config
		with input as changed(decision_input, "facts/instance/state", state)
}

test_instance_state_accepts[state] if {
	some state in ["pending", "running"]
	aws_iid.violation == set() with data.gatehouse.config as config
		with input as changed(decision_input, "facts/instance/state", state)
}

test_instance_state_denies_a_missing_state if {
	aws_iid.violation == {_state_reason("of unknown state")} with data.gatehouse.config as config
		with input as without(decision_input, "facts/instance/state")
}

test_instance_state_denies_an_unknown_instance if {
	aws_iid.violation == {_state_reason("unknown to EC2"), _id_reason("<undefined>")} | _no_devices
		with data.gatehouse.config as config
		with input as object.union(admission_input, {"facts": {}, "facts_status": {"instance": "absent"}})
}

test_instance_state_denies_a_fact_that_is_not_there[status] if {
	some status in ["error", "not_collected"]
	aws_iid.violation == {_state_reason("of unknown state"), _id_reason("<undefined>")} | _no_devices
		with data.gatehouse.config as config
		with input as object.union(admission_input, {"facts": {}, "facts_status": {"instance": status}})
}

test_instance_state_denies_without_facts if {
	aws_iid.violation == {_state_reason("of unknown state"), _id_reason("<undefined>")} | _no_devices
		with data.gatehouse.config as config
		with input as admission_input
}

test_instance_state_denies_facts_of_another_instance if {
	aws_iid.violation == {_id_reason("i-0123456789abcdef00")} with data.gatehouse.config as config
		with input as changed(decision_input, "facts/instance/id", "i-0123456789abcdef00")
}

test_instance_state_asks_for_the_instance if {
	"instance" in aws_iid.required_fact
}
