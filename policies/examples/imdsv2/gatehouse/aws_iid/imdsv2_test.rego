package imdsv2_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"required": fixtures.decision_input}

_own(reasons) := {reason | some reason in reasons; reason.rule == "imdsv2"}

_options(options) := fixtures.changed(fixtures.decision_input, "facts/instance/metadata_options", options)

_has(tokens, state) := {{
	"rule": "imdsv2",
	"msg": $"instance i-0123456789abcdef0 has IMDSv2 {tokens} ({state}), not required and applied",
}}

_cases := {
	"required": {"options": {"http_tokens": "required", "state": "applied"}, "want": set()},
	"optional": {"options": {"http_tokens": "optional", "state": "applied"}, "want": _has("optional", "applied")},
	"not yet": {"options": {"http_tokens": "required", "state": "pending"}, "want": _has("required", "pending")},
	"a look-alike": {"options": {"http_tokens": "Required", "state": "applied"}, "want": _has("Required", "applied")},
	"null": {"options": {"http_tokens": null, "state": "applied"}, "want": _has("null", "applied")},
	"tokens missing": {"options": {"state": "applied"}, "want": _has("<undefined>", "applied")},
	"state missing": {"options": {"http_tokens": "required"}, "want": _has("required", "<undefined>")},
	"nothing": {"options": {}, "want": _has("<undefined>", "<undefined>")},
}

test_cases if count(_cases) == 8

test_imdsv2[name] if {
	some name, tc in _cases
	violations := aws_iid.decision.violations with input as _options(tc.options)
		with data.gatehouse.config as fixtures.config
	_own(violations) == tc.want
}

test_missing[pointer] if {
	some pointer in ["facts", "facts/instance", "facts/instance/metadata_options"]
	violations := aws_iid.decision.violations with input as fixtures.without(fixtures.decision_input, pointer)
		with data.gatehouse.config as fixtures.config
	_own(violations) == {{
		"rule": "imdsv2",
		"msg": "the metadata options of instance i-0123456789abcdef0 are not known",
	}}
}
