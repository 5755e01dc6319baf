package peer_address_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"private": fixtures.decision_input}

_own(reasons) := {reason | some reason in reasons; reason.rule == "peer_address"}

_foreign(ip) := {{
	"rule": "peer_address",
	"msg": $"the agent's address, {ip}, is none of instance i-0123456789abcdef0",
}}

_interfaces := [
	{
		"id": "eni-0123456789abcdef0",
		"device_index": 0,
		"private_ips": ["10.0.0.209", "10.0.0.210"],
		"public_ip": "192.0.2.7",
	},
	{
		"id": "eni-0123456789abcdef1",
		"device_index": 1,
		"private_ips": ["10.1.0.9"],
		"ipv6_addresses": ["2001:db8::7"],
	},
]

_machine := fixtures.changed(fixtures.decision_input, "facts/instance/network_interfaces", _interfaces)

_instances := ["10.0.0.209", "10.0.0.210", "192.0.2.7", "10.1.0.9", "2001:db8::7"]

_others := ["10.0.0.20", "10.0.0.2090", "10.1.0.10", "192.0.2.70", "2001:db8::", "2001:db8::70", "127.0.0.1", "", null]

test_cases if count(_instances) + count(_others) == 14

test_own_address[ip] if {
	some ip in _instances
	violations := aws_iid.decision.violations with input as fixtures.changed(_machine, "peer/ip", ip)
		with data.gatehouse.config as fixtures.config
	_own(violations) == set()
}

test_other_address[shown] if {
	some ip in _others
	shown := $"{ip}"
	violations := aws_iid.decision.violations with input as fixtures.changed(_machine, "peer/ip", ip)
		with data.gatehouse.config as fixtures.config
	_own(violations) == _foreign(ip)
}

test_missing[pointer] if {
	some pointer, shown in {
		"peer": "<undefined>",
		"peer/ip": "<undefined>",
		"facts": "10.0.0.209",
		"facts/instance": "10.0.0.209",
		"facts/instance/network_interfaces": "10.0.0.209",
	}
	violations := aws_iid.decision.violations with input as fixtures.without(_machine, pointer)
		with data.gatehouse.config as fixtures.config
	_own(violations) == _foreign(shown)
}

test_no_addresses if {
	doc := fixtures.changed(_machine, "facts/instance/network_interfaces", [])
	violations := aws_iid.decision.violations with input as doc
		with data.gatehouse.config as fixtures.config
	_own(violations) == _foreign("10.0.0.209")
}
