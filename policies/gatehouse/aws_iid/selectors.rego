package gatehouse.aws_iid

# METADATA
# title: Selectors from the identity document
# description: |
#   Account, availability zone, image, instance and region. Registration entries
#   hang on these strings: they are those of SPIRE's own attestor.
selector contains concat(":", ["account_id", input.evidence.account_id])

selector contains concat(":", ["az", input.evidence.availability_zone])

selector contains concat(":", ["image:id", input.evidence.image_id])

selector contains concat(":", ["instance:id", input.evidence.instance_id])

selector contains concat(":", ["region", input.evidence.region])

# METADATA
# title: Selectors from the instance's tags
# description: tag:KEY:VALUE. A tag without a value gives tag:KEY and a colon.
selector contains concat(":", ["tag", key, value]) if {
	some key, value in input.facts.instance.tags
}

# METADATA
# title: Selectors from the instance's security groups
# description: sg:id:ID and sg:name:NAME of every group.
selector contains concat(":", ["sg", kind, object.get(group, kind, "")]) if {
	some group in input.facts.instance.security_groups
	some kind in ["id", "name"]
}
