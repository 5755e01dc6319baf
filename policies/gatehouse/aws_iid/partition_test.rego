package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_partition_reason(evidence_partition, config_partition) := {"rule": "partition", "msg": concat("", [
	$"region us-west-2 is in partition {evidence_partition}, ",
	$"but the configured partition is {config_partition}",
])}

test_partition_denies_another_partition if {
	aws_iid.admission_violation == {_partition_reason("aws-cn", "aws")} with data.gatehouse.config as config
		with input as changed(admission_input, "evidence/partition", "aws-cn")
}

test_partition_denies_a_look_alike if {
	aws_iid.admission_violation == {_partition_reason("AWS", "aws")} with data.gatehouse.config as config
		with input as changed(admission_input, "evidence/partition", "AWS")
}

test_partition_denies_a_missing_partition if {
	aws_iid.admission_violation == {_partition_reason("<undefined>", "aws")} with data.gatehouse.config as config
		with input as without(admission_input, "evidence/partition")
}

test_partition_denies_without_configuration if {
	aws_iid.admission_violation == {_partition_reason("aws", "<undefined>")} with data.gatehouse.config as {}
		with input as admission_input
}

test_partition_denies_when_neither_is_known if {
	aws_iid.admission_violation == {_partition_reason("<undefined>", "<undefined>")} with data.gatehouse.config as {}
		with input as without(admission_input, "evidence/partition")
}

test_partition_accepts_the_configured_one if {
	aws_iid.admission_violation == set() with data.gatehouse.config as {"partition": "aws-cn"}
		with input as changed(admission_input, "evidence/partition", "aws-cn")
}
