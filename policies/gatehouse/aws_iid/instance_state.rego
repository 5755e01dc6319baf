package gatehouse.aws_iid

# METADATA
# title: The decision rests on the instance
# description: No document is enough without what EC2 says about its instance.
required_fact contains "instance"

# METADATA
# title: The instance is pending or running
# description: |
#   A document outlives its instance. One whose instance has stopped, is gone, or
#   isn't known to EC2 is refused.
violation contains {"rule": "instance_state", "msg": msg} if {
	not _alive
	msg := $"instance {input.evidence.instance_id} is {_state}, not pending or running"
}

# METADATA
# title: EC2's answer is about the instance of the document
# description: State, tags and security groups of another instance prove nothing about this one.
violation contains {"rule": "instance_state", "msg": msg} if {
	not input.facts.instance.id == input.evidence.instance_id
	msg := $"the document is of instance {input.evidence.instance_id}, the facts are of {input.facts.instance.id}"
}

_alive if input.facts.instance.state in {"pending", "running"}

default _state := "of unknown state"

_state := input.facts.instance.state

_state := "unknown to EC2" if {
	not input.facts.instance
	input.facts_status.instance == "absent"
}
