package gatehouse.aws_iid

# METADATA
# title: Selectors from the identity document
# description: |
#   Account, availability zone, image, instance and region. Registration entries
#   hang on these strings: they are those of SPIRE's own attestor.
selector contains sprintf("account_id:%s", [input.evidence.account_id])

selector contains sprintf("az:%s", [input.evidence.availability_zone])

selector contains sprintf("instance:id:%s", [input.evidence.instance_id])

selector contains sprintf("region:%s", [input.evidence.region])

# METADATA
# title: Selectors from the instance's tags
# description: tag:KEY:VALUE. A tag without a value gives tag:KEY and a colon.
selector contains sprintf("tag:%s:%s", [key, value]) if {
	some key, value in input.facts.instance.tags
}

# METADATA
# title: Selectors from the instance's security groups
# description: sg:id:ID and sg:name:NAME of every group.
selector contains sprintf("sg:id:%s", [group.id]) if some group in input.facts.instance.security_groups

selector contains sprintf("sg:name:%s", [object.get(group, "name", "")]) if {
	some group in input.facts.instance.security_groups
}
