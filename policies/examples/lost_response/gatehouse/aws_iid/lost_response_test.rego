package lost_response_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as good

# The good instance asks at 03:04:05.
_first := {
	"agent_path": good.path,
	"time": "2026-01-02T03:00:00Z",
	"peer_ip": good.admission_input.peer.ip,
	"uses": 1,
}

_again := good.changed(good.admission_input, "tofu", {"attested": true, "claimed": false, "first": _first})

good_inputs := {"exempt": object.union(_again, {
	"facts": good.decision_input.facts,
	"facts_status": good.decision_input.facts_status,
})}

_allowed := {
	"within minutes": _again,
	"the last instant": good.changed(_again, "tofu/first/time", "2026-01-02T02:54:05Z"),
	"the last time": good.changed(_again, "tofu/first/uses", 2),
}

_refused := {
	"too late": good.changed(_again, "tofu/first/time", "2026-01-02T02:54:04Z"),
	"before the first use": good.changed(_again, "tofu/first/time", "2026-01-02T03:04:06Z"),
	"no time": good.without(_again, "tofu/first/time"),
	"another address": good.changed(_again, "peer/ip", "10.0.0.99"),
	"address unknown now": good.without(_again, "peer"),
	"address unknown then": good.without(_again, "tofu/first/peer_ip"),
	"address unknown both times": good.without(good.without(_again, "peer"), "tofu/first/peer_ip"),
	"another agent": good.changed(_again, "tofu/first/agent_path", "/spire/agent/aws_iid/other"),
	"too often": good.changed(_again, "tofu/first/uses", 3),
	"uses unknown": good.without(_again, "tofu/first/uses"),
	"under way": good.changed(_again, "tofu/claimed", true),
	"claims unknown": good.without(_again, "tofu/claimed"),
	"nothing remembered": good.without(_again, "tofu/first"),
	"first use unknown": good.without(_again, "tofu"),
}

# The path is not this example's: others may give agents another.
test_allowed[name] if {
	some name, document in _allowed
	"tofu" in aws_iid.exempt with input as document
		with data.gatehouse.config as good.config
		with aws_iid.agent_path as good.path
}

test_refused_cases if count(_refused) == 14

test_refused[name] if {
	some name, document in _refused
	not "tofu" in aws_iid.exempt with input as document
		with data.gatehouse.config as good.config
		with aws_iid.agent_path as good.path
}

# The agent stays one that may not attest again.
test_can_reattest if {
	aws_iid.can_reattest == false with input as _again with data.gatehouse.config as good.config
}
