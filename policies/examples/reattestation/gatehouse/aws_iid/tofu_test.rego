package reattestation_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

_own(reasons) := {reason | some reason in reasons; reason.rule == "tofu"}

_attested := {
	"rule": "tofu",
	"msg": $"agent {fixtures.path} has attested before; evict it to let the instance attest again",
}

_claimed := {"rule": "tofu", "msg": $"another attestation of agent {fixtures.path} is under way", "transient": true}

_not_known := {"rule": "tofu", "msg": $"it is not known whether agent {fixtures.path} has attested before"}

# What is refused of an instance in a stateless group, and of any other.
_tofu_cases := {
	"first use": {"tofu": {"attested": false, "claimed": false}, "stateless": set(), "other": set()},
	"attested": {"tofu": {"attested": true, "claimed": false}, "stateless": set(), "other": {_attested}},
	"claimed": {"tofu": {"attested": false, "claimed": true}, "stateless": {_claimed}, "other": {_claimed}},
	"both": {"tofu": {"attested": true, "claimed": true}, "stateless": set(), "other": {_attested}},
	"attested missing": {"tofu": {"claimed": false}, "stateless": {_not_known}, "other": {_not_known}},
	"claimed missing": {"tofu": {"attested": true}, "stateless": {_not_known}, "other": {_attested, _not_known}},
	"text": {
		"tofu": {"attested": "true", "claimed": false},
		"stateless": {_not_known},
		"other": {_attested, _not_known},
	},
	"empty": {"tofu": {}, "stateless": {_not_known}, "other": {_not_known}},
}

test_tofu_cases if count(_tofu_cases) == 8

test_tofu_of_a_stateless_instance[name] if {
	some name, tc in _tofu_cases
	violations := aws_iid.decision.violations with input as _again("tofu", tc.tofu)
		with data.gatehouse.config as fixtures.config
		with data.fleet.stateless as good_data.stateless
		with aws_iid.agent_path as fixtures.path
	_own(violations) == tc.stateless
}

test_tofu_of_another_instance[name] if {
	some name, tc in _tofu_cases
	violations := aws_iid.decision.violations with input as fixtures.changed(_not_stateless["no group"], "tofu", tc.tofu)
		with data.gatehouse.config as fixtures.config
		with data.fleet.stateless as good_data.stateless
		with aws_iid.agent_path as fixtures.path
	_own(violations) == tc.other
}

# At admission there are no facts: a replay is refused where no group is stateless,
# and otherwise has to wait for them.
test_admission[name] if {
	some name, tc in {
		"a region with groups": {"region": "us-west-2", "want": set()},
		"a region without": {"region": "us-east-1", "want": {_attested}},
	}
	doc := fixtures.changed(fixtures.without(good_inputs.again, "facts"), "evidence/region", tc.region)
	violations := aws_iid.admission.violations with input as doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.stateless as good_data.stateless
		with aws_iid.agent_path as fixtures.path
	_own(violations) == tc.want
}
