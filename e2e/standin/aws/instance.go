package aws

import (
	"encoding/xml"
	"time"
)

// An Instance as DescribeInstances answers it: a nil pointer or an empty value
// is left out of the answer, as EC2 does with some of them. The tags are EC2's
// element names.
type Instance struct {
	ID              string           `xml:"instanceId"`
	ImageID         string           `xml:"imageId,omitempty"`
	State           State            `xml:"instanceState"`
	KeyName         string           `xml:"keyName,omitempty"`
	Type            string           `xml:"instanceType,omitempty"`
	LaunchTime      *time.Time       `xml:"launchTime"`
	Placement       *Placement       `xml:"placement"`
	SubnetID        string           `xml:"subnetId,omitempty"`
	VPCID           string           `xml:"vpcId,omitempty"`
	PrivateIP       string           `xml:"privateIpAddress,omitempty"`
	PublicIP        string           `xml:"ipAddress,omitempty"`
	SecurityGroups  []SecurityGroup  `xml:"groupSet>item"`
	Architecture    string           `xml:"architecture,omitempty"`
	RootDeviceType  string           `xml:"rootDeviceType,omitempty"`
	RootDeviceName  string           `xml:"rootDeviceName,omitempty"`
	BlockDevices    []BlockDevice    `xml:"blockDeviceMapping>item"`
	Lifecycle       string           `xml:"instanceLifecycle,omitempty"`
	Tags            []Tag            `xml:"tagSet>item"`
	Interfaces      []Interface      `xml:"networkInterfaceSet>item"`
	InstanceProfile *InstanceProfile `xml:"iamInstanceProfile"`
	MetadataOptions *MetadataOptions `xml:"metadataOptions"`
}

// State is one of the states of an instance; see Pending and the others.
type State struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

// The states of an instance, with EC2's codes.
func Pending() State      { return State{0, "pending"} }
func Running() State      { return State{16, "running"} }
func ShuttingDown() State { return State{32, "shutting-down"} }
func Terminated() State   { return State{48, "terminated"} }
func Stopping() State     { return State{64, "stopping"} }
func Stopped() State      { return State{80, "stopped"} }

// Placement says where an instance runs.
type Placement struct {
	AvailabilityZone string `xml:"availabilityZone"`
	Tenancy          string `xml:"tenancy,omitempty"`
}

// SecurityGroup is a group that an instance or an interface belongs to.
type SecurityGroup struct {
	ID   string `xml:"groupId,omitempty"`
	Name string `xml:"groupName,omitempty"`
}

// Tag is a tag of an instance.
type Tag struct {
	Key     string
	Value   string
	NoValue bool // leaves the value out of the answer, which EC2 should never do
}

// MarshalXML implements xml.Marshaler.
func (t Tag) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	wire := struct {
		Key   string  `xml:"key"`
		Value *string `xml:"value"`
	}{Key: t.Key}
	if !t.NoValue {
		wire.Value = &t.Value
	}
	return e.EncodeElement(wire, start)
}

// BlockDevice maps a device name to a volume. Instance stores have no EBS.
type BlockDevice struct {
	DeviceName string `xml:"deviceName,omitempty"`
	EBS        *EBS   `xml:"ebs"`
}

// EBS says which volume is attached, and since when.
type EBS struct {
	VolumeID            string     `xml:"volumeId"`
	Status              string     `xml:"status"`
	AttachTime          *time.Time `xml:"attachTime"`
	DeleteOnTermination bool       `xml:"deleteOnTermination"`
}

// Interface is a network interface of an instance.
type Interface struct {
	ID               string          `xml:"networkInterfaceId"`
	SubnetID         string          `xml:"subnetId,omitempty"`
	VPCID            string          `xml:"vpcId,omitempty"`
	Status           string          `xml:"status,omitempty"`
	MACAddress       string          `xml:"macAddress,omitempty"`
	PrivateIP        string          `xml:"privateIpAddress,omitempty"`
	SecurityGroups   []SecurityGroup `xml:"groupSet>item"`
	Attachment       *Attachment     `xml:"attachment"`
	Association      *Association    `xml:"association"`
	PrivateAddresses []Address       `xml:"privateIpAddressesSet>item"`
	IPv6Addresses    []IPv6Address   `xml:"ipv6AddressesSet>item"`
}

// Attachment says how and since when an interface is attached.
type Attachment struct {
	ID          string     `xml:"attachmentId"`
	DeviceIndex *int       `xml:"deviceIndex"`
	Status      string     `xml:"status"`
	AttachTime  *time.Time `xml:"attachTime"`
}

// Association is the public address of an interface.
type Association struct {
	PublicIP string `xml:"publicIp"`
}

// Address is one private address of an interface.
type Address struct {
	PrivateIP string `xml:"privateIpAddress"`
	Primary   bool   `xml:"primary"`
}

// IPv6Address is one IPv6 address of an interface.
type IPv6Address struct {
	Address string `xml:"ipv6Address"`
}

// InstanceProfile names the profile that an instance runs with.
type InstanceProfile struct {
	ARN string `xml:"arn,omitempty"`
	ID  string `xml:"id,omitempty"`
}

// MetadataOptions say how an instance's metadata service may be used.
type MetadataOptions struct {
	State        string `xml:"state"`
	HTTPTokens   string `xml:"httpTokens"`
	HopLimit     int    `xml:"httpPutResponseHopLimit"`
	HTTPEndpoint string `xml:"httpEndpoint"`
}

// reservation groups instances that were launched together; here each has one
// of its own.
type reservation struct {
	ID        string     `xml:"reservationId"`
	OwnerID   string     `xml:"ownerId"`
	Groups    struct{}   `xml:"groupSet"`
	Instances []Instance `xml:"instancesSet>item"`
}

type describeInstancesResponse struct {
	XMLName      xml.Name      `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeInstancesResponse"`
	RequestID    string        `xml:"requestId"`
	Reservations []reservation `xml:"reservationSet>item"`
	NextToken    string        `xml:"nextToken,omitempty"`
}
