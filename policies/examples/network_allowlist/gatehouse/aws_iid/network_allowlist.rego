package gatehouse.aws_iid

# METADATA
# title: The instance is in allowed subnets
# description: |
#   data.fleet.networks.allowed lists subnets by VPC. Every interface counts: a second
#   one, in another VPC, may lead out of the network in which the instance should be.
violation contains {"rule": "network_allowlist", "msg": msg} if {
	not _networks_allowed
	msg := concat("", [
		$"instance {input.evidence.instance_id} is not in allowed subnets alone: ",
		$"it has interfaces in {_networks_seen}",
	])
}

_networks_allowed if {
	count(input.facts.instance.network_interfaces) > 0
	every interface in input.facts.instance.network_interfaces {
		interface.subnet_id in data.fleet.networks.allowed[interface.vpc_id]
	}
}

_networks_seen contains $"{interface.vpc_id}/{interface.subnet_id}" if {
	some interface in input.facts.instance.network_interfaces
}
