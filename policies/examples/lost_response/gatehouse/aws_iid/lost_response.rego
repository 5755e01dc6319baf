package gatehouse.aws_iid

# METADATA
# title: An agent whose first answer got lost may ask again
# description: |
#   SPIRE stored the agent, and its answer never arrived: without this rule the
#   instance needs an operator who evicts the agent. It may ask again if it comes from
#   the address that it came from first, within minutes of that, as the same agent,
#   and a few times only. The first use must be remembered: that takes
#   claims { backend = "postgres" }.
#
#   What this gives away: for those minutes, whoever has the evidence and that
#   address gets the agent, and the SVID that the agent has is worth nothing from then
#   on. Any process on the machine has both; where agents come through a proxy or
#   NAT, so has everyone behind it. Use this where each agent has an address of its
#   own, and what runs on a machine in its first minutes is yours.
exempt contains "tofu" if {
	input.tofu.claimed == false
	input.tofu.first.agent_path == agent_path
	input.tofu.first.peer_ip == input.peer.ip
	input.tofu.first.uses <= _most_uses
	age := time.parse_rfc3339_ns(input.time) - time.parse_rfc3339_ns(input.tofu.first.time)
	age >= 0
	age <= (_minutes * 60) * 1000000000
}

# So many answers may get lost in so many minutes.
_most_uses := 2

_minutes := 10
