package gatehouse.aws_iid

# METADATA
# title: Instances have a team
# description: By their tag team.
violation contains {"rule": "owners", "msg": $"instance {input.evidence.instance_id} has no tag team"} if {
	not input.facts.instance.tags.team
}
