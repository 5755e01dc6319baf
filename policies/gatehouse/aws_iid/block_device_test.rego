package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_launched := "2026-01-02T03:00:00Z"

_block_device_reason(text) := {"rule": "block_device", "msg": $"instance i-0123456789abcdef0 {text}"}

_no_interface := _block_device_reason("has no network interface with device index 0")

_no_root(name) := _block_device_reason($"has no block device {name}, its root")

_apart(seconds) := _block_device_reason(concat("", [
	"has a root volume and a primary network interface that were attached ",
	$"{seconds} seconds apart, more than 60",
]))

_unknown_gap := _apart("<undefined>")

# The good instance with its root volume attached at another time.
_attached_at(instant) := changed(decision_input, "facts/instance/block_devices/0/attach_time", instant)

_times := {
	"at once": {"time": "2026-01-02T03:00:00Z", "want": set()},
	"60 seconds later": {"time": "2026-01-02T03:01:00Z", "want": set()},
	"60 seconds earlier": {"time": "2026-01-02T02:59:00Z", "want": set()},
	"in another zone": {"time": "2026-01-02T05:00:30+02:00", "want": set()},
	"61 seconds later": {"time": "2026-01-02T03:01:01Z", "want": {_apart(61)}},
	"61 seconds earlier": {"time": "2026-01-02T02:58:59Z", "want": {_apart(61)}},
	"just less than 61 seconds later": {"time": "2026-01-02T03:01:00.999999999Z", "want": set()},
	"just less than 61 seconds earlier": {"time": "2026-01-02T02:58:59.000000001Z", "want": set()},
	"just less than 62 seconds later": {"time": "2026-01-02T03:01:01.999999999Z", "want": {_apart(61)}},
	"a year later": {"time": "2027-01-02T03:00:00Z", "want": {_apart(31536000)}},
	"in another zone, late": {"time": "2026-01-02T03:00:00+02:00", "want": {_apart(7200)}},
}

test_block_device_time_cases if count(_times) == 11

test_block_device_compares_times[name] if {
	some name, tc in _times
	aws_iid.violation == tc.want with input as _attached_at(tc.time) with data.gatehouse.config as config
}

_nic(index, instant) := {"id": "eni-1", "device_index": index, "attach_time": instant}

_disk(name, instant) := {"device_name": name, "volume_id": "vol-1", "attach_time": instant}

_late := "2026-01-02T04:00:00Z"

# Each changes the good instance.
_devices := {
	"other interfaces before the primary": {
		"change": {"network_interfaces": [_nic(1, _late), {"id": "eni-2"}, _nic(0, _launched)]},
		"want": set(),
	},
	"other disks before the root": {
		"change": {"block_devices": [_disk("/dev/xvdb", _late), _disk("/dev/xvda", _launched)]},
		"want": set(),
	},
	"no interface": {"change": {"network_interfaces": []}, "want": {_no_interface}},
	"no primary interface": {"change": {"network_interfaces": [_nic(1, _launched)]}, "want": {_no_interface}},
	"interface that is not attached": {"change": {"network_interfaces": [{"id": "eni-1"}]}, "want": {_no_interface}},
	"index as text": {"change": {"network_interfaces": [_nic("0", _launched)]}, "want": {_no_interface}},
	"primary interface without a time": {
		"change": {"network_interfaces": [{"id": "eni-1", "device_index": 0}]},
		"want": {_unknown_gap},
	},
	"several primary interfaces": {
		"change": {"network_interfaces": [_nic(0, _launched), _nic(0, _late)]},
		"want": {_apart(3600)},
	},
	"no disk": {"change": {"block_devices": []}, "want": {_no_root("/dev/xvda")}},
	"another disk": {
		"change": {"block_devices": [_disk("/dev/xvdb", _launched)]},
		"want": {_no_root("/dev/xvda")},
	},
	"look-alike disk": {
		"change": {"block_devices": [_disk("/dev/xvda1", _launched)]},
		"want": {_no_root("/dev/xvda")},
	},
	"root volume without a time": {
		"change": {"block_devices": [{"device_name": "/dev/xvda"}]},
		"want": {_unknown_gap},
	},
	"neither interface nor disk": {
		"change": {"network_interfaces": [], "block_devices": []},
		"want": {_no_interface},
	},
	"instance store": {
		"change": {"root_device_type": "instance-store", "block_devices": []},
		"want": set(),
	},
	"instance store with a late disk": {
		"change": {"root_device_type": "instance-store", "block_devices": [_disk("/dev/xvda", _late)]},
		"want": set(),
	},
	"instance store without an interface": {
		"change": {"root_device_type": "instance-store", "network_interfaces": []},
		"want": {_no_interface},
	},
	"other root device type": {
		"change": {"root_device_type": "Instance-Store", "block_devices": [_disk("/dev/xvda", _late)]},
		"want": {_apart(3600)},
	},
}

test_block_device_cases if count(_devices) == 17

test_block_device_judges[name] if {
	some name, tc in _devices
	aws_iid.violation == tc.want with data.gatehouse.config as config
		with input as changed(decision_input, "facts/instance", object.union(instance, tc.change))
}

_missing := {
	"network_interfaces": {_no_interface},
	"block_devices": {_no_root("/dev/xvda")},
	"root_device_name": {_no_root("<undefined>")},
	"root_device_type": set(),
}

test_block_device_missing_cases if count(_missing) == 4

test_block_device_without[field] if {
	some field, want in _missing
	aws_iid.violation == want with data.gatehouse.config as config
		with input as without(decision_input, $"facts/instance/{field}")
}

_exempting := {
	"skipped": {"config": {"skip_block_device": true}, "want": {"block_device"}},
	"not skipped": {"config": {"skip_block_device": false}, "want": set()},
	"trusted account": {
		"config": {"account_ids_for_local_validation": ["210987654321", "123456789012"]},
		"want": {"block_device"},
	},
	"other accounts": {"config": {"account_ids_for_local_validation": ["210987654321"]}, "want": set()},
	"no accounts": {"config": {"account_ids_for_local_validation": []}, "want": set()},
	"look-alikes": {
		"config": {"account_ids_for_local_validation": ["1234567890123", "", "23456789012"]},
		"want": set(),
	},
}

test_block_device_exempt_cases if count(_exempting) == 6

test_block_device_exempts[name] if {
	some name, tc in _exempting
	aws_iid.exempt == tc.want with input as decision_input
		with data.gatehouse.config as object.union(config, tc.config)
}

# An exemption leaves the violation to be seen.
test_block_device_violation_stays_when_exempt if {
	answer := aws_iid.decision with input as _attached_at(_late)
		with data.gatehouse.config as object.union(config, {"skip_block_device": true})
	answer.violations == {_apart(3600)}
	answer.exempt == {"block_device"}
}
