package gatehouse.aws_iid

# METADATA
# title: The root volume has been there since the launch
# description: |
#   A volume that was taken out, changed elsewhere and put back was attached long
#   after the primary network interface, which stays from the launch on. More than
#   60 whole seconds are too long. An instance store can't be taken out.
violation contains {"rule": "block_device", "msg": $"instance {input.evidence.instance_id} {_tampering}"} if {
	not _untouched
}

# METADATA
# title: The block device check is switched off
# description: By skip_block_device, for every instance.
exempt contains "block_device" if data.gatehouse.config.skip_block_device == true

# METADATA
# title: The account is trusted with its volumes
# description: By account_ids_for_local_validation.
exempt contains "block_device" if {
	input.evidence.account_id in data.gatehouse.config.account_ids_for_local_validation
}

_untouched if _nanoseconds_apart < 61000000000

_untouched if {
	input.facts.instance.root_device_type == "instance-store"
	_primary_interface
}

# Were there several of either, those furthest apart would count.
_nanoseconds_apart := max({gap |
	some interface in input.facts.instance.network_interfaces
	interface.device_index == 0
	some device in input.facts.instance.block_devices
	device.device_name == input.facts.instance.root_device_name
	gap := abs(time.parse_rfc3339_ns(interface.attach_time) - time.parse_rfc3339_ns(device.attach_time))
})

_primary_interface if {
	some interface in input.facts.instance.network_interfaces
	interface.device_index == 0
}

_root_volume if {
	some device in input.facts.instance.block_devices
	device.device_name == input.facts.instance.root_device_name
}

_tampering := "has no network interface with device index 0" if {
	not _primary_interface
} else := $"has no block device {input.facts.instance.root_device_name}, its root" if {
	not _root_volume
} else := concat("", [
	"has a root volume and a primary network interface that were attached ",
	$"{floor(_nanoseconds_apart / 1000000000)} seconds apart, more than 60",
])
