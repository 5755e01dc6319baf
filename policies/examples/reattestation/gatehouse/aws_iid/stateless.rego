package gatehouse.aws_iid

# METADATA
# title: Instances of stateless groups attest again
# description: |
#   data.fleet.stateless.groups lists Auto Scaling groups whose instances keep nothing
#   on disk, an agent's key neither. Whoever reads such an instance's document can become
#   its agent. So only processes of the host itself may: IMDSv2, and one network hop.
can_reattest if {
	input.facts.instance.tags["aws:autoscaling:groupName"] in _stateless_groups_here
	options := input.facts.instance.metadata_options
	options.http_tokens == "required"
	options.http_put_response_hop_limit == 1
	options.state == "applied"
}

_stateless_groups_here contains group.auto_scaling_group if {
	some group in data.fleet.stateless.groups
	group.account_id == input.evidence.account_id
	group.region == input.evidence.region
}
