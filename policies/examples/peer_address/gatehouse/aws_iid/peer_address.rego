package gatehouse.aws_iid

# METADATA
# title: The agent's address is one of the instance's
# description: |
#   A document that was copied elsewhere is of no use there. Needs agents that reach
#   the server directly: behind a proxy or network address translation, the address is
#   that of the device between.
violation contains {"rule": "peer_address", "msg": msg} if {
	not _peer_is_instance
	msg := $"the agent's address, {input.peer.ip}, is none of instance {input.evidence.instance_id}"
}

_peer_is_instance if input.peer.ip in _peer_addresses

_peer_addresses contains ip if {
	some interface in input.facts.instance.network_interfaces
	some ip in interface.private_ips
}

_peer_addresses contains ip if {
	some interface in input.facts.instance.network_interfaces
	some ip in interface.ipv6_addresses
}

_peer_addresses contains interface.public_ip if {
	some interface in input.facts.instance.network_interfaces
}
