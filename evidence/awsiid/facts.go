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
	IPv6Addresses []string  `json:"ipv6_addresses,omitempty"` // as RFC 5952 writes them
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

	// State is "pending" while the instance still works with other options than
	// these, and then "applied".
	State string `json:"state,omitempty"`
}

// InstanceProfile is the fact "instance_profile": what iam:GetInstanceProfile says
// about the profile of the instance.
type InstanceProfile struct {
	ARN  string `json:"arn"`
	Name string `json:"name"`

	// Roles is there even if it is empty.
	Roles []Role `json:"roles"`
}

// A Role is one of an instance profile.
type Role struct {
	ARN  string `json:"arn,omitempty"`
	Name string `json:"name,omitempty"`
}

// Organization is the fact "organization": what is known of the node's account as
// a member of the organization.
type Organization struct {
	AccountID string `json:"account_id"`

	// State and Status are what Organizations says, each left out when it isn't
	// said. AWS announced that it would stop saying Status on 2026-09-09.
	State  string `json:"state,omitempty"`
	Status string `json:"status,omitempty"`

	// Source says who knows: with SourceFile, nothing but the ID is known.
	Source string `json:"source"`

	ManagementAccountID string    `json:"management_account_id,omitempty"`
	Name                string    `json:"name,omitempty"`
	JoinedTime          time.Time `json:"joined_time,omitzero"`

	// Paths say where in the organization the account is.
	Paths []string `json:"paths,omitempty"`
}

// The sources of Organization.
const (
	SourceOrganizations = "organizations"
	SourceFile          = "file"
)

// ClusterMembership is the fact "eks": which of the configured clusters hold the
// instance. It is known even if none does.
type ClusterMembership struct {
	Clusters []EKSCluster `json:"clusters"`
}

// An EKSCluster is one that holds the instance, and how.
type EKSCluster struct {
	Name             string `json:"name"`
	NodeGroup        string `json:"node_group"`
	AutoScalingGroup string `json:"auto_scaling_group"`
}
