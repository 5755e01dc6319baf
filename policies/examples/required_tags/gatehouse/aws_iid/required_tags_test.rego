package required_tags_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"tagged": _tagged({"team": "blog", "Name": "web 1", "other": ""})}

good_data := {"tags": {"required": {"team": ["blog", "shop"], "Name": ["*"]}}}

_tagged(tags) := fixtures.changed(fixtures.decision_input, "facts/instance/tags", tags)

_own(reasons) := {reason | some reason in reasons; reason.rule == "required_tags"}

_bad(key, value, allowed) := {"rule": "required_tags", "msg": concat("", [
	$"tag {key} of instance i-0123456789abcdef0 is {value}, ",
	$"not one of {allowed}",
])}

_team(value) := _bad("team", value, `["blog", "shop"]`)

_name(value) := _bad("Name", value, `["*"]`)

_cases := {
	"both": {"tags": {"team": "shop", "Name": "x"}, "want": set()},
	"another value": {"tags": {"team": "bank", "Name": "x"}, "want": {_team("bank")}},
	"a value in another case": {"tags": {"team": "Blog", "Name": "x"}, "want": {_team("Blog")}},
	"a value that begins alike": {"tags": {"team": "blog2", "Name": "x"}, "want": {_team("blog2")}},
	"a key in another case": {"tags": {"Team": "blog", "Name": "x"}, "want": {_team("<undefined>")}},
	"empty values": {"tags": {"team": "", "Name": ""}, "want": {_team(""), _name("")}},
	"the star itself": {"tags": {"team": "*", "Name": "*"}, "want": {_team("*")}},
	"none": {"tags": {}, "want": {_team("<undefined>"), _name("<undefined>")}},
}

test_cases if count(_cases) == 8

test_required_tags[name] if {
	some name, tc in _cases
	violations := aws_iid.decision.violations with input as _tagged(tc.tags)
		with data.gatehouse.config as fixtures.config
		with data.fleet.tags as good_data.tags
	_own(violations) == tc.want
}

test_missing[pointer] if {
	some pointer in ["facts", "facts/instance", "facts/instance/tags"]
	doc := fixtures.without(good_inputs.tagged, pointer)
	violations := aws_iid.decision.violations with input as doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.tags as good_data.tags
	_own(violations) == {_team("<undefined>"), _name("<undefined>")}
}

test_a_list_without_values_allows_none if {
	violations := aws_iid.decision.violations with input as good_inputs.tagged
		with data.gatehouse.config as fixtures.config
		with data.fleet.tags as {"required": {"team": []}}
	_own(violations) == {_bad("team", "blog", "[]")}
}

test_no_list[name] if {
	some name, tags in {"empty": {"required": {}}, "missing": {}, "null": {"required": null}}
	violations := aws_iid.decision.violations with input as good_inputs.tagged
		with data.gatehouse.config as fixtures.config
		with data.fleet.tags as tags
	_own(violations) == {{"rule": "required_tags", "msg": "data.fleet.tags.required names no tags"}}
}

# The list as it is: a slip in it is found before it takes over.
test_list_is_well_formed if {
	count(data.fleet.tags.required) > 0
	every values in data.fleet.tags.required {
		count(values) > 0
		every value in values {
			is_string(value)
		}
	}
}
