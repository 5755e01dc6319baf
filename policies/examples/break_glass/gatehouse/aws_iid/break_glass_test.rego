package break_glass_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"exempt": fixtures.changed(fixtures.decision_input, "facts/instance/block_devices", [])}

good_data := {"break_glass": {"exemptions": [_entry]}}

_entry := {
	"rule": "block_device",
	"account_id": "123456789012",
	"instance_id": "i-0123456789abcdef0",
	"from": "2026-01-02T00:00:00Z",
	"until": "2026-01-04T00:00:00Z",
	"reason": "INC-1234",
}

_with(change) := {"exemptions": [object.union(_entry, change)]}

test_exempt if {
	aws_iid.decision.exempt == {"block_device"} with input as good_inputs.exempt
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as good_data.break_glass
}

test_exempt_at_admission if {
	doc := json.remove(good_inputs.exempt, ["facts", "facts_status"])
	exempt := aws_iid.admission.exempt with input as doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as _with({"rule": "image_allowlist"})
	exempt == {"image_allowlist"}
}

_times := {
	"at the beginning": {"time": "2026-01-02T00:00:00Z", "want": {"block_device"}},
	"before": {"time": "2026-01-01T23:59:59Z", "want": set()},
	"a nanosecond before the end": {"time": "2026-01-03T23:59:59.999999999Z", "want": {"block_device"}},
	"at the end": {"time": "2026-01-04T00:00:00Z", "want": set()},
	"long after": {"time": "2027-01-01T00:00:00Z", "want": set()},
}

test_time_cases if count(_times) == 5

test_time[name] if {
	some name, tc in _times
	aws_iid.decision.exempt == tc.want with input as fixtures.changed(good_inputs.exempt, "time", tc.time)
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as good_data.break_glass
}

_changes := {
	"another instance": {"instance_id": "i-0123456789abcdef1"},
	"another account": {"account_id": "210987654321"},
	"longer than 72 hours": {"until": "2026-01-05T00:00:01Z"},
	"no reason": {"reason": ""},
}

test_change_cases if count(_changes) == 4

test_not_exempt[name] if {
	some name, change in _changes
	aws_iid.decision.exempt == set() with input as good_inputs.exempt
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as _with(change)
}

test_72_hours if {
	aws_iid.decision.exempt == {"block_device"} with input as good_inputs.exempt
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as _with({"until": "2026-01-05T00:00:00Z"})
}

test_never_exempt[rule] if {
	some rule in ["account", "instance_state", "partition", "signature_strength", "tofu"]
	aws_iid.decision.exempt == set() with input as good_inputs.exempt
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as _with({"rule": rule})
}

test_entry_needs_its[field] if {
	some field, _ in _entry
	aws_iid.decision.exempt == set() with input as good_inputs.exempt
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as {"exemptions": [object.remove(_entry, [field])]}
}

test_missing[pointer] if {
	some pointer in ["evidence/account_id", "evidence/instance_id", "time"]
	aws_iid.decision.exempt == set() with input as fixtures.without(good_inputs.exempt, pointer)
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as good_data.break_glass
}

test_no_exemptions[name] if {
	some name, break_glass in {"empty": {"exemptions": []}, "missing": {}, "null": {"exemptions": null}}
	aws_iid.decision.exempt == set() with input as good_inputs.exempt
		with data.gatehouse.config as fixtures.config
		with data.fleet.break_glass as break_glass
}

# The list as it is. A time that is none would be an error in every decision, and an
# entry that lasts too long would be worth nothing when it is needed.
test_list_is_well_formed if {
	every entry in data.fleet.break_glass.exemptions {
		is_string(entry.rule)
		regex.match(`^[0-9]{12}$`, entry.account_id)
		regex.match(`^i-[0-9a-f]{8,17}$`, entry.instance_id)
		lasts := time.parse_rfc3339_ns(entry.until) - time.parse_rfc3339_ns(entry.from)
		lasts > 0
		lasts <= time.parse_duration_ns("72h")
		count(entry.reason) > 0
	}
}
