package launch_age_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"young": fixtures.decision_input}

_own(reasons) := {reason | some reason in reasons; reason.rule == "launch_age"}

_too_old(launch) := {"rule": "launch_age", "msg": concat("", [
	$"instance i-0123456789abcdef0 was launched at {launch}, ",
	"too long ago for a first use",
])}

_launched(launch) := fixtures.changed(fixtures.decision_input, "evidence/pending_time", launch)

_used(doc, tofu) := fixtures.changed(doc, "tofu", tofu)

_old := _launched("2025-06-01T00:00:00Z")

_cases := {
	"good": {"doc": fixtures.decision_input, "want": set()},
	# The fixture asks at 03:04:05.
	"an hour ago": {"doc": _launched("2026-01-02T02:04:05Z"), "want": set()},
	"longer ago": {"doc": _launched("2026-01-02T02:04:04Z"), "want": {_too_old("2026-01-02T02:04:04Z")}},
	"old, first use": {"doc": _old, "want": {_too_old("2025-06-01T00:00:00Z")}},
	"old, claimed by another": {
		"doc": _used(_old, {"attested": false, "claimed": true}),
		"want": {_too_old("2025-06-01T00:00:00Z")},
	},
	"old, attested before": {"doc": _used(_old, {"attested": true, "claimed": false}), "want": set()},
	"old, not known whether attested": {
		"doc": fixtures.without(_old, "tofu"),
		"want": {_too_old("2025-06-01T00:00:00Z")},
	},
	"old, attested is text": {
		"doc": _used(_old, {"attested": "true", "claimed": false}),
		"want": {_too_old("2025-06-01T00:00:00Z")},
	},
	"no launch": {
		"doc": fixtures.without(fixtures.decision_input, "evidence/pending_time"),
		"want": {_too_old("<undefined>")},
	},
	"no clock": {
		"doc": fixtures.without(fixtures.decision_input, "time"),
		"want": {_too_old("2026-01-02T03:00:00Z")},
	},
}

test_cases if count(_cases) == 10

test_launch_age[name] if {
	some name, tc in _cases
	violations := aws_iid.decision.violations with input as tc.doc
		with data.gatehouse.config as fixtures.config
	_own(violations) == tc.want
}
