package gatehouse.aws_iid

# METADATA
# title: The image is an allowed one
# description: |
#   data.fleet.images.allowed lists the AMIs; an empty list allows none. AWS signs the
#   image into the document, so that others are refused before AWS is asked.
admission_violation contains {"rule": "image_allowlist", "msg": msg} if {
	not _image_allowed
	msg := $"image {input.evidence.image_id} of instance {input.evidence.instance_id} is not among the allowed ones"
}

_image_allowed if input.evidence.image_id in data.fleet.images.allowed
