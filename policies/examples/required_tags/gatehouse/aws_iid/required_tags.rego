package gatehouse.aws_iid

# METADATA
# title: The instance has the required tags
# description: |
#   data.fleet.tags.required has the allowed values of each tag; "*" allows any that is
#   not empty. Tags prove nothing against those who may write them (ec2:CreateTags).
violation contains {"rule": "required_tags", "msg": msg} if {
	some key in _tags_missing
	msg := concat("", [
		$"tag {key} of instance {input.evidence.instance_id} is {input.facts.instance.tags[key]}, ",
		$"not one of {_tags_listed[key]}",
	])
}

# METADATA
# title: It is known which tags are required
# description: Without the list, or with an empty one, nobody passes.
violation contains {"rule": "required_tags", "msg": msg} if {
	not _tags_listed
	msg := "data.fleet.tags.required names no tags"
}

_tags_listed := data.fleet.tags.required if {
	is_object(data.fleet.tags.required)
	count(data.fleet.tags.required) > 0
}

_tags_missing := object.keys(_tags_listed) - _tags_present

_tags_present contains key if {
	some key, values in _tags_listed
	input.facts.instance.tags[key] in values
}

_tags_present contains key if {
	some key, values in _tags_listed
	"*" in values
	input.facts.instance.tags[key] != ""
}
