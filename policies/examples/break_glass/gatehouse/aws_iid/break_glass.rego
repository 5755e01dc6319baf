package gatehouse.aws_iid

# METADATA
# title: Somebody broke the glass for this instance
# description: |
#   data.fleet.break_glass.exemptions exempts one instance from one rule, for at most 72
#   hours and with a reason. Each use is logged and counted. Past its end an entry is worth
#   nothing, so that none has to be remembered.
exempt contains entry.rule if {
	some entry in data.fleet.break_glass.exemptions
	not _never_exempt[entry.rule]
	entry.account_id == input.evidence.account_id
	entry.instance_id == input.evidence.instance_id
	entry.reason != ""
	begin := time.parse_rfc3339_ns(entry.from)
	end := time.parse_rfc3339_ns(entry.until)
	end - begin <= time.parse_duration_ns("72h")
	begin <= _break_glass_now
	_break_glass_now < end
}

_break_glass_now := time.parse_rfc3339_ns(input.time)

# What an emergency is no reason for: these tell whose document it is, and whether it
# was used before. For a second first use, evict the agent.
_never_exempt := {"account", "instance_state", "partition", "signature_strength", "tofu"}
