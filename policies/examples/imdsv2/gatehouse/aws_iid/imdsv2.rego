package gatehouse.aws_iid

# METADATA
# title: The instance's metadata service takes version 2 alone
# description: |
#   With version 1, whoever makes a process on the instance fetch a URL can read its
#   identity document. A change of the options counts once it is applied.
violation contains {"rule": "imdsv2", "msg": msg} if {
	not _imdsv2_required
	options := input.facts.instance.metadata_options
	msg := concat("", [
		$"instance {input.evidence.instance_id} has IMDSv2 {options.http_tokens} ({options.state}), ",
		"not required and applied",
	])
}

# METADATA
# title: The instance's metadata options are known
# description: Where EC2 does not state them, nobody knows how the service can be used.
violation contains {"rule": "imdsv2", "msg": msg} if {
	not input.facts.instance.metadata_options
	msg := $"the metadata options of instance {input.evidence.instance_id} are not known"
}

_imdsv2_required if {
	input.facts.instance.metadata_options.http_tokens == "required"
	input.facts.instance.metadata_options.state == "applied"
}
