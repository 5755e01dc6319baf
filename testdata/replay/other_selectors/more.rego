package gatehouse.aws_iid

# METADATA
# title: The instance's type
# description: As it is signed.
selector contains $"type:{input.evidence.instance_type}"

# METADATA
# title: Old images
# description: To be replaced.
warning contains {"rule": "old_image", "msg": $"image {input.evidence.image_id} is old"} if {
	input.evidence.image_id == "ami-0aaaaaaaaaaaaaaaa"
}

# METADATA
# title: Staging comes and goes
# description: Its instances may attest again.
can_reattest if input.facts.instance.tags.env == "staging"
