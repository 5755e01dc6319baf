package gatehouse.aws_iid

# METADATA
# title: The agent has not attested before, or may do so again
# description: |
#   Before AWS is asked, only that shows which instances can't be in a stateless group:
#   replays from accounts and regions that have none cost no call.
admission_violation contains {"rule": "tofu", "msg": _attested_before} if {
	input.tofu.attested
	count(_stateless_groups_here) == 0
}

# METADATA
# title: No other attestation of the agent is under way
# description: |
#   As in the baseline: of several that attest for the first time at once, one gets in.
admission_violation contains {"rule": "tofu", "msg": msg, "transient": true} if {
	input.tofu.claimed
	not input.tofu.attested == true
	msg := $"another attestation of agent {agent_path} is under way"
}

# METADATA
# title: The agent has not attested before, or is stateless
# description: At the decision it is known whether the instance is in such a group.
violation contains {"rule": "tofu", "msg": _attested_before} if {
	input.tofu.attested
	not can_reattest
}

# METADATA
# title: First use has been looked at
# description: As in the baseline.
violation contains {"rule": "tofu", "msg": msg} if {
	not _first_use_known
	msg := $"it is not known whether agent {agent_path} has attested before"
}

_attested_before := $"agent {agent_path} has attested before; evict it to let the instance attest again"

_first_use_known if {
	is_boolean(input.tofu.attested)
	is_boolean(input.tofu.claimed)
}
