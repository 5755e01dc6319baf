package gatehouse.aws_iid

# METADATA
# title: Roles are among the selectors
# description: |
#   Registration entries may hang on a role, so that a decision without it would
#   be another one. disable_instance_profile_selectors spares IAM the question.
required_fact contains "instance_profile" if not data.gatehouse.config.disable_instance_profile_selectors

# METADATA
# title: Selectors from the instance's profile
# description: iamrole:ARN of every role in the instance profile.
selector contains sprintf("iamrole:%s", [role.arn]) if {
	not data.gatehouse.config.disable_instance_profile_selectors
	some role in input.facts.instance_profile.roles
}
