package gatehouse.aws_iid

# METADATA
# title: The first use comes soon after the launch
# description: |
#   A document can be copied and used long afterwards, and is good again once its
#   agent was evicted. Only the first use is judged: SPIRE makes an agent that may
#   attest again do so instead of renewing its SVID, at any age. Whether it may is for
#   the rule tofu to say. That is known for certain at the decision only.
violation contains {"rule": "launch_age", "msg": msg} if {
	not _launched_lately
	not input.tofu.attested == true
	msg := concat("", [
		$"instance {input.evidence.instance_id} was launched at {input.evidence.pending_time}, ",
		"too long ago for a first use",
	])
}

_launched_lately if {
	age := time.parse_rfc3339_ns(input.time) - time.parse_rfc3339_ns(input.evidence.pending_time)
	age <= time.parse_duration_ns("1h")
}
