package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_attested := {
	"rule": "tofu",
	"msg": $"agent {path} has attested before; evict it to let the instance attest again",
}

_claimed := {
	"rule": "tofu",
	"msg": $"another attestation of agent {path} is under way",
	"transient": true,
}

_not_known := {"rule": "tofu", "msg": $"it is not known whether agent {path} has attested before"}

_tofu_cases := {
	"attested": {"tofu": {"attested": true, "claimed": false}, "want": {_attested}},
	"claimed": {"tofu": {"attested": false, "claimed": true}, "want": {_claimed}},
	"both": {"tofu": {"attested": true, "claimed": true}, "want": {_attested}},
	"attested missing": {"tofu": {"claimed": false}, "want": {_not_known}},
	"claimed missing": {"tofu": {"attested": false}, "want": {_not_known}},
	"attested is text": {"tofu": {"attested": "false", "claimed": false}, "want": {_attested, _not_known}},
	"attested is null": {"tofu": {"attested": null, "claimed": false}, "want": {_attested, _not_known}},
	"claimed is zero": {"tofu": {"attested": false, "claimed": 0}, "want": {_claimed, _not_known}},
	"empty": {"tofu": {}, "want": {_not_known}},
	"null": {"tofu": null, "want": {_not_known}},
	"false": {"tofu": false, "want": {_not_known}},
}

test_tofu_cases if count(_tofu_cases) == 11

test_tofu_denies[name] if {
	some name, tc in _tofu_cases
	aws_iid.decision.violations == tc.want with data.gatehouse.config as config
		with input as changed(decision_input, "tofu", tc.tofu)
}

test_tofu_denies_when_it_is_undefined if {
	aws_iid.decision.violations == {_not_known} with data.gatehouse.config as config
		with input as without(decision_input, "tofu")
}

# A rule that can't render the path must still deny.
_without_path_cases := {
	"attested": {
		"tofu": {"attested": true, "claimed": false},
		"want": {"rule": "tofu", "msg": "agent <undefined> has attested before; evict it to let the instance attest again"},
	},
	"claimed": {
		"tofu": {"attested": false, "claimed": true},
		"want": {"rule": "tofu", "msg": "another attestation of agent <undefined> is under way", "transient": true},
	},
}

test_tofu_without_path_cases if count(_without_path_cases) == 2

test_tofu_denies_without_an_agent_path[name] if {
	some name, tc in _without_path_cases
	bad := without(changed(admission_input, "tofu", tc.tofu), "evidence/account_id")
	aws_iid.admission_violation == {tc.want} with data.gatehouse.config as config
		with input as bad
}
