package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_profile(roles) := changed(admission_input, "facts", {"instance_profile": {
	"arn": "arn:aws:iam::123456789012:instance-profile/team/blog",
	"name": "blog",
	"roles": roles,
}})

_role_selectors(values) := {value |
	some value in values
	startswith(value, "iamrole")
}

_profile_cases := {
	"one role": {
		"roles": [{"arn": "arn:aws:iam::123456789012:role/Blog", "name": "Blog"}],
		"want": {"iamrole:arn:aws:iam::123456789012:role/Blog"},
	},
	"several roles, one with a path": {
		"roles": [
			{"arn": "arn:aws:iam::123456789012:role/Blog", "name": "Blog"},
			{"arn": "arn:aws-cn:iam::123456789012:role/a/b/Shop"},
		],
		"want": {
			"iamrole:arn:aws:iam::123456789012:role/Blog",
			"iamrole:arn:aws-cn:iam::123456789012:role/a/b/Shop",
		},
	},
	"a role without an ARN": {"roles": [{"name": "Blog"}, {}], "want": set()},
	"no role": {"roles": [], "want": set()},
}

test_instance_profile_cases if count(_profile_cases) == 4

test_instance_profile_selectors[name] if {
	some name, tc in _profile_cases
	_role_selectors(aws_iid.selector) == tc.want with input as _profile(tc.roles)
		with data.gatehouse.config as config
}

test_instance_profile_selectors_of_an_instance_without_profile if {
	_role_selectors(aws_iid.selector) == set() with data.gatehouse.config as config
		with input as changed(decision_input, "facts_status/instance_profile", "absent")
}

test_instance_profile_is_asked_for if {
	aws_iid.required_fact == {"instance", "instance_profile"} with data.gatehouse.config as config
}

test_instance_profile_is_not_asked_for_when_disabled if {
	off := object.union(config, {"disable_instance_profile_selectors": true})
	aws_iid.required_fact == {"instance"} with data.gatehouse.config as off
	aws_iid.optional_fact == set() with data.gatehouse.config as off
	_role_selectors(aws_iid.selector) == set() with input as _profile([{"arn": "arn:aws:iam::123456789012:role/Blog"}])
		with data.gatehouse.config as off
}
