package reattestation_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

# The instance of a stateless group, which attests again.
good_inputs := {"again": json.patch(fixtures.decision_input, [
	{"op": "replace", "path": "facts/instance/tags", "value": {"aws:autoscaling:groupName": "stateless-web"}},
	{"op": "replace", "path": "tofu", "value": {"attested": true, "claimed": false}},
])}

good_data := {"stateless": {"groups": [
	{"account_id": "123456789012", "region": "us-west-2", "auto_scaling_group": "stateless-web"},
	{"account_id": "210987654321", "region": "us-west-2", "auto_scaling_group": "workers"},
]}}

_again(pointer, value) := fixtures.changed(good_inputs.again, pointer, value)

test_stateless if {
	aws_iid.decision.can_reattest == true with input as good_inputs.again
		with data.gatehouse.config as fixtures.config
		with data.fleet.stateless as good_data.stateless
}

_not_stateless := {
	"no group": _again("facts/instance/tags", {}),
	"a tag that only looks like the group's": _again("facts/instance/tags", {"autoscaling:groupName": "stateless-web"}),
	"another group": _again("facts/instance/tags/aws:autoscaling:groupName", "web"),
	"a group of a similar name": _again("facts/instance/tags/aws:autoscaling:groupName", "stateless-web2"),
	"another account's group": _again("facts/instance/tags/aws:autoscaling:groupName", "workers"),
	"another account": _again("evidence/account_id", "210987654321"),
	"another region": _again("evidence/region", "us-east-1"),
	"IMDSv1": _again("facts/instance/metadata_options/http_tokens", "optional"),
	"two hops": _again("facts/instance/metadata_options/http_put_response_hop_limit", 2),
	"not yet in force": _again("facts/instance/metadata_options/state", "pending"),
	"options not known": fixtures.without(good_inputs.again, "facts/instance/metadata_options"),
	"instance not known": fixtures.without(good_inputs.again, "facts/instance"),
}

test_cases if count(_not_stateless) == 12

test_not_stateless[name] if {
	some name, doc in _not_stateless
	aws_iid.decision.can_reattest == false with input as doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.stateless as good_data.stateless
}

test_no_groups[name] if {
	some name, stateless in {
		"empty": {"groups": []},
		"missing": {},
		"null": {"groups": null},
		"nothing known of one": {"groups": [{}]},
	}
	aws_iid.decision.can_reattest == false with input as good_inputs.again
		with data.gatehouse.config as fixtures.config
		with data.fleet.stateless as stateless
}

# The list as it is: a slip in it is found before it takes over.
test_list_is_well_formed if {
	every group in data.fleet.stateless.groups {
		regex.match(`^[0-9]{12}$`, group.account_id)
		is_string(group.region)
		is_string(group.auto_scaling_group)
	}
}
