package lost_response_azure_msi_test

import data.gatehouse.azure_msi
import data.gatehouse.azure_msi_test as good

# The good machine asks at 03:04:05.
_first := {
	"agent_path": good.path,
	"time": "2026-01-02T03:00:00Z",
	"peer_ip": good.admission_input.peer.ip,
	"uses": 1,
}

_again := good.changed(good.admission_input, "tofu", {"attested": true, "claimed": false, "first": _first})

_exempt(document) := exempt if {
	exempt := azure_msi.exempt with input as document with data.gatehouse.config as good.config
}

test_within_minutes if _exempt(_again) == {"tofu"}

test_the_last_instant if _exempt(good.changed(_again, "tofu/first/time", "2026-01-02T02:54:05Z")) == {"tofu"}

test_the_last_time if _exempt(good.changed(_again, "tofu/first/uses", 2)) == {"tofu"}

_refused := {
	"too late": good.changed(_again, "tofu/first/time", "2026-01-02T02:54:04Z"),
	"before the first use": good.changed(_again, "tofu/first/time", "2026-01-02T03:04:06Z"),
	"no time": good.without(_again, "tofu/first/time"),
	"another address": good.changed(_again, "peer/ip", "10.0.0.99"),
	"address unknown now": good.without(_again, "peer"),
	"address unknown then": good.without(_again, "tofu/first/peer_ip"),
	"address unknown both times": good.without(good.without(_again, "peer"), "tofu/first/peer_ip"),
	"another agent": good.changed(_again, "tofu/first/agent_path", "/spire/agent/azure_msi/other"),
	"too often": good.changed(_again, "tofu/first/uses", 3),
	"uses unknown": good.without(_again, "tofu/first/uses"),
	"under way": good.changed(_again, "tofu/claimed", true),
	"claims unknown": good.without(_again, "tofu/claimed"),
	"nothing remembered": good.without(_again, "tofu/first"),
	"first use unknown": good.without(_again, "tofu"),
}

test_refused_cases if count(_refused) == 14

test_refused[name] if {
	some name, document in _refused
	_exempt(document) == set()
}

# The agent stays one that may not attest again.
test_can_reattest if {
	azure_msi.can_reattest == false with input as _again with data.gatehouse.config as good.config
}
