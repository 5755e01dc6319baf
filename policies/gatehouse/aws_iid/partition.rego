package gatehouse.aws_iid

# METADATA
# title: The instance is of the configured partition
# description: |
#   Credentials and endpoints belong to one partition. A document of another one
#   is refused before AWS is asked.
admission_violation contains {"rule": "partition", "msg": msg} if {
	not input.evidence.partition == data.gatehouse.config.partition
	msg := concat("", [
		$"region {input.evidence.region} is in partition {input.evidence.partition}, ",
		$"but the configured partition is {data.gatehouse.config.partition}",
	])
}
