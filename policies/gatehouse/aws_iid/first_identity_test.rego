package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_first_use := {"agent_path": path, "time": "2026-01-01T00:00:00Z", "peer_ip": "10.0.0.209", "uses": 1}

_second_identity(first_path, since) := {
	"rule": "first_identity",
	"msg": concat("", [
		$"instance i-0123456789abcdef0 became agent {first_path} at {since}, ",
		$"and may not become {path} too; have the first use forgotten to let it",
	]),
}

_other_agent := "/spire/agent/aws_iid/other"

_first_identity_cases := {
	"nothing is remembered": {"tofu": {"attested": false, "claimed": false}, "want": set()},
	"the same agent": {"tofu": {"attested": false, "claimed": false, "first": _first_use}, "want": set()},
	"another agent": {
		"tofu": {"attested": false, "claimed": false, "first": changed(_first_use, "agent_path", _other_agent)},
		"want": {_second_identity(_other_agent, "2026-01-01T00:00:00Z")},
	},
	"a look-alike": {
		"tofu": {"attested": false, "claimed": false, "first": changed(_first_use, "agent_path", upper(path))},
		"want": {_second_identity(upper(path), "2026-01-01T00:00:00Z")},
	},
	"no path": {
		"tofu": {"attested": false, "claimed": false, "first": without(_first_use, "agent_path")},
		"want": {_second_identity("<undefined>", "2026-01-01T00:00:00Z")},
	},
	"empty": {
		"tofu": {"attested": false, "claimed": false, "first": {}},
		"want": {_second_identity("<undefined>", "<undefined>")},
	},
	"null": {
		"tofu": {"attested": false, "claimed": false, "first": null},
		"want": {_second_identity("<undefined>", "<undefined>")},
	},
	"false": {
		"tofu": {"attested": false, "claimed": false, "first": false},
		"want": {_second_identity("<undefined>", "<undefined>")},
	},
}

test_first_identity_cases if count(_first_identity_cases) == 8

test_first_identity[name] if {
	some name, tc in _first_identity_cases
	got := {v | some v in aws_iid.admission_violation; v.rule == "first_identity"} with data.gatehouse.config as config
		with input as changed(admission_input, "tofu", tc.tofu)
	got == tc.want
}
