package awsiid

import "time"

// Instance is the fact "instance": what ec2:DescribeInstances says about the
// attesting instance. What EC2 leaves out is left out here.
type Instance struct {
	ID               string    `json:"id"`
	State            string    `json:"state,omitempty"`
	LaunchTime       time.Time `json:"launch_time,omitzero"`
	ImageID          string    `json:"image_id,omitempty"`
	InstanceType     string    `json:"instance_type,omitempty"`
	Architecture     string    `json:"architecture,omitempty"`
	AvailabilityZone string    `json:"availability_zone,omitempty"`
	OwnerID          string    `json:"owner_id,omitempty"`
	VPCID            string    `json:"vpc_id,omitempty"`
	SubnetID         string    `json:"subnet_id,omitempty"`
	PrivateIP        string    `json:"private_ip,omitempty"`
	PublicIP         string    `json:"public_ip,omitempty"`
	KeyName          string    `json:"key_name,omitempty"`

	// Lifecycle is "spot", "scheduled" or "capacity-block"; EC2 gives none to an
	// instance on demand.
	Lifecycle string `json:"lifecycle,omitempty"`

	// Tags, SecurityGroups, NetworkInterfaces and BlockDevices are there even if
	// they are empty.
	Tags              map[string]string  `json:"tags"`
	SecurityGroups    []SecurityGroup    `json:"security_groups"`
	NetworkInterfaces []NetworkInterface `json:"network_interfaces"`
	BlockDevices      []BlockDevice      `json:"block_devices"`

	RootDeviceName     string           `json:"root_device_name,omitempty"`
	RootDeviceType     string           `json:"root_device_type,omitempty"`
	InstanceProfileARN string           `json:"instance_profile_arn,omitempty"`
	MetadataOptions    *MetadataOptions `json:"metadata_options,omitempty"`
}

// A SecurityGroup is one that the instance is in.
type SecurityGroup struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// A NetworkInterface is one of the instance's, in the order of device indexes.
type NetworkInterface struct {
	ID            string    `json:"id,omitempty"`
	DeviceIndex   *int32    `json:"device_index,omitempty"`
	AttachTime    time.Time `json:"attach_time,omitzero"`
	Status        string    `json:"status,omitempty"`
	PrivateIPs    []string  `json:"private_ips"`
	PublicIP      string    `json:"public_ip,omitempty"`
	IPv6Addresses []string  `json:"ipv6_addresses,omitempty"`
	MACAddress    string    `json:"mac_address,omitempty"`
	VPCID         string    `json:"vpc_id,omitempty"`
	SubnetID      string    `json:"subnet_id,omitempty"`
}

// A BlockDevice is one of the instance's, in the order of names. One without a
// volume is an instance store.
type BlockDevice struct {
	DeviceName          string    `json:"device_name,omitempty"`
	VolumeID            string    `json:"volume_id,omitempty"`
	AttachTime          time.Time `json:"attach_time,omitzero"`
	Status              string    `json:"status,omitempty"`
	DeleteOnTermination *bool     `json:"delete_on_termination,omitempty"`
}

// MetadataOptions say how the instance's metadata service can be used.
type MetadataOptions struct {
	HTTPTokens              string `json:"http_tokens,omitempty"`
	HTTPEndpoint            string `json:"http_endpoint,omitempty"`
	HTTPPutResponseHopLimit *int32 `json:"http_put_response_hop_limit,omitempty"`
}
