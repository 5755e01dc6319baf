package gatehouse.aws_iid

# METADATA
# title: Selectors from the instance's type and network
# description: instance:type:TYPE, as AWS signed it; vpc:id:ID and subnet:id:ID of its primary interface.
selector contains sprintf("instance:type:%s", [input.evidence.instance_type])

selector contains sprintf("vpc:id:%s", [input.facts.instance.vpc_id])

selector contains sprintf("subnet:id:%s", [input.facts.instance.subnet_id])

# METADATA
# title: A selector from the instance's launch template
# description: |
#   launch_template:ID:VERSION. Only AWS writes tags that begin with aws: , when it
#   launches an instance from a template.
selector contains sprintf("launch_template:%s:%s", [template, version]) if {
	template := input.facts.instance.tags["aws:ec2launchtemplate:id"]
	version := input.facts.instance.tags["aws:ec2launchtemplate:version"]
}
