package gatehouse.azure_msi

# METADATA
# title: The agent has not attested before
# description: |
#   Any process on the machine can get such a token, for as long as the machine
#   lives: the first use counts, and only the first. Machines that share an identity,
#   as a scale set's do, share the agent ID, so that one of them gets in.
admission_violation contains {"rule": "tofu", "msg": msg} if {
	input.tofu.attested
	msg := $"agent {agent_path} has attested before; evict it to let the machine attest again"
}

# METADATA
# title: No other attestation of the agent is under way
# description: |
#   Between the question whether an agent is attested and SPIRE's storing it,
#   another attestation with the same token could pass. A claim closes the gap.
#   Once the agent is stored, the claim has done its work. If SPIRE failed to store
#   it, the claim runs out by itself, and the agent may try again.
admission_violation contains {"rule": "tofu", "msg": msg, "transient": true} if {
	input.tofu.claimed
	not input.tofu.attested == true
	msg := $"another attestation of agent {agent_path} is under way"
}

# METADATA
# title: First use has been looked at
# description: |
#   At admission input.tofu may be undefined, since the agent path may still need
#   facts. A decision without it would not know whether this is the first use.
violation contains {"rule": "tofu", "msg": msg} if {
	not _first_use_known
	msg := $"it is not known whether agent {agent_path} has attested before"
}

_first_use_known if {
	is_boolean(input.tofu.attested)
	is_boolean(input.tofu.claimed)
}
