package network_allowlist_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"allowed": fixtures.decision_input}

good_data := {"networks": {"allowed": {
	"vpc-0123456789abcdef0": ["subnet-0123456789abcdef0", "subnet-2"],
	"vpc-3": ["subnet-3"],
}}}

_interface(vpc, subnet) := {"id": "eni-1", "vpc_id": vpc, "subnet_id": subnet, "private_ips": []}

_first := _interface("vpc-0123456789abcdef0", "subnet-0123456789abcdef0")

_in(interfaces) := fixtures.changed(fixtures.decision_input, "facts/instance/network_interfaces", interfaces)

_own(reasons) := {reason | some reason in reasons; reason.rule == "network_allowlist"}

_outside(shown) := {{"rule": "network_allowlist", "msg": concat("", [
	"instance i-0123456789abcdef0 is not in allowed subnets alone: ",
	$"it has interfaces in {shown}",
])}}

_here := `{"vpc-0123456789abcdef0/subnet-0123456789abcdef0"}`

_cases := {
	"one": {"interfaces": [_first], "want": set()},
	"several, all allowed": {"interfaces": [_first, _interface("vpc-3", "subnet-3")], "want": set()},
	"another VPC": {
		"interfaces": [_interface("vpc-9", "subnet-0123456789abcdef0")],
		"want": _outside(`{"vpc-9/subnet-0123456789abcdef0"}`),
	},
	"a subnet of another VPC": {
		"interfaces": [_interface("vpc-3", "subnet-2")],
		"want": _outside(`{"vpc-3/subnet-2"}`),
	},
	"a second interface elsewhere": {
		"interfaces": [_first, _interface("vpc-9", "subnet-9")],
		"want": _outside(`{"vpc-0123456789abcdef0/subnet-0123456789abcdef0", "vpc-9/subnet-9"}`),
	},
	"a look-alike": {
		"interfaces": [_interface("vpc-3", "subnet-30")],
		"want": _outside(`{"vpc-3/subnet-30"}`),
	},
	"VPC missing": {
		"interfaces": [object.remove(_first, ["vpc_id"])],
		"want": _outside(`{"<undefined>/subnet-0123456789abcdef0"}`),
	},
	"subnet missing": {
		"interfaces": [object.remove(_first, ["subnet_id"])],
		"want": _outside(`{"vpc-0123456789abcdef0/<undefined>"}`),
	},
	"no interface": {"interfaces": [], "want": _outside("set()")},
}

test_cases if count(_cases) == 9

test_network_allowlist[name] if {
	some name, tc in _cases
	violations := aws_iid.decision.violations with input as _in(tc.interfaces)
		with data.gatehouse.config as fixtures.config
		with data.fleet.networks as good_data.networks
	_own(violations) == tc.want
}

test_missing[pointer] if {
	some pointer in ["facts", "facts/instance", "facts/instance/network_interfaces"]
	violations := aws_iid.decision.violations with input as fixtures.without(fixtures.decision_input, pointer)
		with data.gatehouse.config as fixtures.config
		with data.fleet.networks as good_data.networks
	_own(violations) == _outside("set()")
}

test_bad_list[name] if {
	some name, networks in {
		"empty": {"allowed": {}},
		"no subnets": {"allowed": {"vpc-0123456789abcdef0": []}},
		"missing": {},
		"null": {"allowed": null},
	}
	violations := aws_iid.decision.violations with input as fixtures.decision_input
		with data.gatehouse.config as fixtures.config
		with data.fleet.networks as networks
	_own(violations) == _outside(_here)
}

# The list as it is: a slip in it is found before it takes over.
test_list_is_well_formed if {
	every vpc, subnets in data.fleet.networks.allowed {
		regex.match(`^vpc-[0-9a-f]{8,17}$`, vpc)
		every subnet in subnets {
			regex.match(`^subnet-[0-9a-f]{8,17}$`, subnet)
		}
	}
}
