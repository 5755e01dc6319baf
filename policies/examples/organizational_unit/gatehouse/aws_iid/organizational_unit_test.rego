package organizational_unit_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"in the unit": _at(["o-a1b2c3d4e5/r-a1b2/ou-a1b2-c3d4e5f6/123456789012/"])}

good_data := {"organizational_units": {"allowed": ["ou-a1b2-c3d4e5f6"]}}

_at(paths) := fixtures.changed(fixtures.decision_input, "facts/organization", {
	"account_id": "123456789012",
	"source": "organizations",
	"state": "ACTIVE",
	"paths": paths,
})

_own(reasons) := {reason | some reason in reasons; reason.rule == "organizational_unit"}

_elsewhere(shown) := {{"rule": "organizational_unit", "msg": concat("", [
	"account 123456789012 is in no allowed organizational unit, ",
	$"but at {shown}",
])}}

_inside := {
	"the unit": ["o-a1b2c3d4e5/r-a1b2/ou-a1b2-c3d4e5f6/123456789012/"],
	"a unit below": ["o-a1b2c3d4e5/r-a1b2/ou-a1b2-c3d4e5f6/ou-a1b2-99999999/123456789012/"],
	"one path of several": ["o-1/r-1/123456789012/", "o-1/r-1/ou-a1b2-c3d4e5f6/123456789012/"],
}

_outside := {
	"the root": ["o-a1b2c3d4e5/r-a1b2/123456789012/"],
	"another unit": ["o-a1b2c3d4e5/r-a1b2/ou-a1b2-99999999/123456789012/"],
	"look-alikes": ["o-1/r-1/ou-a1b2-c3d4e5f60/ou-a1b2-c3d4e5f/OU-a1b2-c3d4e5f6/123456789012/"],
	"no path": [],
	"an empty path": [""],
}

test_cases if count(_inside) + count(_outside) == 8

test_inside[name] if {
	some name, paths in _inside
	violations := aws_iid.decision.violations with input as _at(paths)
		with data.gatehouse.config as fixtures.config
		with data.fleet.organizational_units as good_data.organizational_units
	_own(violations) == set()
}

test_outside[name] if {
	some name, paths in _outside
	violations := aws_iid.decision.violations with input as _at(paths)
		with data.gatehouse.config as fixtures.config
		with data.fleet.organizational_units as good_data.organizational_units
	_own(violations) == _elsewhere(json.marshal(paths))
}

_here := json.marshal(["o-a1b2c3d4e5/r-a1b2/ou-a1b2-c3d4e5f6/123456789012/"])

test_missing[pointer] if {
	some pointer, shown in {
		"facts": "<undefined>",
		"facts/organization": "<undefined>",
		"facts/organization/paths": "<undefined>",
		"facts/organization/account_id": _here,
	}
	violations := aws_iid.decision.violations with input as fixtures.without(good_inputs["in the unit"], pointer)
		with data.gatehouse.config as fixtures.config
		with data.fleet.organizational_units as good_data.organizational_units
	_own(violations) == _elsewhere(shown)
}

test_another_account if {
	doc := fixtures.changed(good_inputs["in the unit"], "facts/organization/account_id", "210987654321")
	violations := aws_iid.decision.violations with input as doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.organizational_units as good_data.organizational_units
	_own(violations) == _elsewhere(_here)
}

test_bad_list[name] if {
	some name, list in {"empty": {"allowed": []}, "missing": {}, "null": {"allowed": null}}
	violations := aws_iid.decision.violations with input as good_inputs["in the unit"]
		with data.gatehouse.config as fixtures.config
		with data.fleet.organizational_units as list
	_own(violations) == _elsewhere(_here)
}

test_the_fact_is_asked_for if {
	"organization" in aws_iid.admission.facts.required with input as fixtures.admission_input
		with data.gatehouse.config as fixtures.config
}

# The list as it is: a slip in it is found before it takes over. A root, r-…, would
# allow the whole organization.
test_list_is_well_formed if {
	every unit in data.fleet.organizational_units.allowed {
		regex.match(`^ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}$`, unit)
	}
}
