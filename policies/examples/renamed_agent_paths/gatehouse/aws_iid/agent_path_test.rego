package renamed_agent_paths_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"named": fixtures.decision_input}

good_data := {"environments": {"names": {"123456789012": "production", "210987654321": "test"}}}

_named := {"path": "/spire/agent/aws_iid/production/123456789012/us-west-2/i-0123456789abcdef0", "refused": set()}

_nameless(account) := {"path": "none", "refused": {{
	"rule": "agent_name",
	"msg": $"account {account} has no name in data.fleet.environments.names that can be in a path",
}}}

# Path, if any, and the example's reasons.
_own(answer) := {
	"path": object.get(answer, "agent_path", "none"),
	"refused": {reason | some reason in answer.violations; reason.rule == "agent_name"},
}

_cases := {
	"named": {"doc": fixtures.decision_input, "want": _named},
	# An agent must not have one path with a template in plugin_data and another without.
	"a template": {
		"doc": fixtures.changed(fixtures.decision_input, "templated_agent_path", "/spire/agent/aws_iid/other"),
		"want": _named,
	},
	"another account": {
		"doc": fixtures.changed(fixtures.decision_input, "evidence/account_id", "999999999999"),
		"want": _nameless("999999999999"),
	},
	"no account": {
		"doc": fixtures.without(fixtures.decision_input, "evidence/account_id"),
		"want": _nameless("<undefined>"),
	},
	# There is no path, and the engine refuses.
	"no region": {
		"doc": fixtures.without(fixtures.decision_input, "evidence/region"),
		"want": {"path": "none", "refused": set()},
	},
	"no instance": {
		"doc": fixtures.without(fixtures.decision_input, "evidence/instance_id"),
		"want": {"path": "none", "refused": set()},
	},
}

_bad_names := ["", "a/b", "..", "Production", "pro duction", "ü", null, 7, ["production"]]

_bad_lists := {"empty": {"names": {}}, "missing": {}, "null": {"names": null}}

test_cases if (count(_cases) + count(_bad_names)) + count(_bad_lists) == 18

test_agent_path[name] if {
	some name, tc in _cases
	admission := aws_iid.admission with input as tc.doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.environments as good_data.environments
	decision := aws_iid.decision with input as tc.doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.environments as good_data.environments
	[_own(admission), _own(decision)] == [tc.want, tc.want]
}

test_bad_name[shown] if {
	some name in _bad_names
	shown := $"{name}"
	admission := aws_iid.admission with input as fixtures.decision_input
		with data.gatehouse.config as fixtures.config
		with data.fleet.environments as {"names": {"123456789012": name}}
	_own(admission) == _nameless("123456789012")
}

test_bad_list[name] if {
	some name, environments in _bad_lists
	admission := aws_iid.admission with input as fixtures.decision_input
		with data.gatehouse.config as fixtures.config
		with data.fleet.environments as environments
	_own(admission) == _nameless("123456789012")
}

# The list as it is: a slip in it is found before it takes over.
test_list_is_well_formed if {
	every account, name in data.fleet.environments.names {
		regex.match(`^[0-9]{12}$`, account)
		regex.match(`^[a-z][a-z0-9-]{0,30}$`, name)
	}
}
