package awsiid

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// A converter turns EC2's structures, in which anything may be nil, into facts.
// It keeps the first bound that was exceeded.
type converter struct{ err error }

// convertInstance makes the fact of one instance.
func convertInstance(in types.Instance, owner *string) (Instance, error) {
	var c converter
	out := Instance{
		ID:                c.text(in.InstanceId),
		LaunchTime:        instant(in.LaunchTime),
		ImageID:           c.text(in.ImageId),
		InstanceType:      enum(&c, in.InstanceType),
		Architecture:      enum(&c, in.Architecture),
		OwnerID:           c.text(owner),
		VPCID:             c.text(in.VpcId),
		SubnetID:          c.text(in.SubnetId),
		PrivateIP:         c.text(in.PrivateIpAddress),
		PublicIP:          c.text(in.PublicIpAddress),
		KeyName:           c.text(in.KeyName),
		Lifecycle:         enum(&c, in.InstanceLifecycle),
		Tags:              c.tags(in.Tags),
		SecurityGroups:    c.securityGroups(in.SecurityGroups),
		NetworkInterfaces: c.networkInterfaces(in.NetworkInterfaces),
		BlockDevices:      c.blockDevices(in.BlockDeviceMappings),
		RootDeviceName:    c.text(in.RootDeviceName),
		RootDeviceType:    enum(&c, in.RootDeviceType),
	}
	if in.State != nil {
		out.State = enum(&c, in.State.Name)
	}
	if in.Placement != nil {
		out.AvailabilityZone = c.text(in.Placement.AvailabilityZone)
	}
	if in.IamInstanceProfile != nil {
		out.InstanceProfileARN = c.text(in.IamInstanceProfile.Arn)
	}
	if options := in.MetadataOptions; options != nil {
		out.MetadataOptions = &MetadataOptions{
			HTTPTokens:              enum(&c, options.HttpTokens),
			HTTPEndpoint:            enum(&c, options.HttpEndpoint),
			HTTPPutResponseHopLimit: options.HttpPutResponseHopLimit,
			State:                   enum(&c, options.State),
		}
	}
	return out, c.err
}

// tags leaves out a tag without a key. EC2 keeps keys unique; were one there
// twice, which value policy sees would be chance, so that is an error.
func (c *converter) tags(in []types.Tag) map[string]string {
	c.bound("tags", len(in), maxTags)
	out := make(map[string]string, len(in))
	for _, tag := range in {
		if tag.Key == nil {
			continue
		}
		key := c.text(tag.Key)
		if _, twice := out[key]; twice {
			c.fail(fmt.Errorf("the tag %.64q twice", key))
		}
		out[key] = c.text(tag.Value)
	}
	return out
}

func (c *converter) securityGroups(in []types.GroupIdentifier) []SecurityGroup {
	c.bound("security groups", len(in), maxSecurityGroups)
	out := make([]SecurityGroup, 0, len(in))
	for _, group := range in {
		out = append(out, SecurityGroup{ID: c.text(group.GroupId), Name: c.text(group.GroupName)})
	}
	slices.SortFunc(out, func(a, b SecurityGroup) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (c *converter) networkInterfaces(in []types.InstanceNetworkInterface) []NetworkInterface {
	c.bound("network interfaces", len(in), maxNetworkInterfaces)
	out := make([]NetworkInterface, 0, len(in))
	for _, nic := range in {
		c.bound("private addresses of an interface", len(nic.PrivateIpAddresses), maxAddresses)
		c.bound("IPv6 addresses of an interface", len(nic.Ipv6Addresses), maxAddresses)
		converted := NetworkInterface{
			ID:         c.text(nic.NetworkInterfaceId),
			Status:     enum(c, nic.Status),
			PrivateIPs: make([]string, 0, len(nic.PrivateIpAddresses)),
			MACAddress: c.text(nic.MacAddress),
			VPCID:      c.text(nic.VpcId),
			SubnetID:   c.text(nic.SubnetId),
		}
		if nic.Attachment != nil {
			converted.DeviceIndex = nic.Attachment.DeviceIndex
			converted.AttachTime = instant(nic.Attachment.AttachTime)
		}
		if nic.Association != nil {
			converted.PublicIP = c.text(nic.Association.PublicIp)
		}
		for _, address := range nic.PrivateIpAddresses {
			if address.PrivateIpAddress != nil {
				converted.PrivateIPs = append(converted.PrivateIPs, c.text(address.PrivateIpAddress))
			}
		}
		for _, address := range nic.Ipv6Addresses {
			if address.Ipv6Address != nil {
				converted.IPv6Addresses = append(converted.IPv6Addresses, c.ipv6(address.Ipv6Address))
			}
		}
		out = append(out, converted)
	}
	slices.SortStableFunc(out, func(a, b NetworkInterface) int {
		return cmp.Or(cmp.Compare(deviceOrder(a), deviceOrder(b)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// deviceOrder puts interfaces of which EC2 doesn't say the index last.
func deviceOrder(nic NetworkInterface) int32 {
	if nic.DeviceIndex == nil {
		return math.MaxInt32
	}
	return *nic.DeviceIndex
}

func (c *converter) blockDevices(in []types.InstanceBlockDeviceMapping) []BlockDevice {
	c.bound("block devices", len(in), maxBlockDevices)
	out := make([]BlockDevice, 0, len(in))
	for _, device := range in {
		converted := BlockDevice{DeviceName: c.text(device.DeviceName)}
		if device.Ebs != nil {
			converted.VolumeID = c.text(device.Ebs.VolumeId)
			converted.AttachTime = instant(device.Ebs.AttachTime)
			converted.Status = enum(c, device.Ebs.Status)
			converted.DeleteOnTermination = device.Ebs.DeleteOnTermination
		}
		out = append(out, converted)
	}
	slices.SortStableFunc(out, func(a, b BlockDevice) int { return cmp.Compare(a.DeviceName, b.DeviceName) })
	return out
}

// text reads a string that may be nil.
func (c *converter) text(value *string) string {
	if value == nil {
		return ""
	}
	c.bound("bytes in one field", len(*value), maxFactString)
	return *value
}

// ipv6 reads an address in the form in which policy sees the agent's own, so that
// policy can compare them. What is no address stays as it is: it equals none.
func (c *converter) ipv6(value *string) string {
	text := c.text(value)
	if address, err := netip.ParseAddr(text); err == nil {
		return address.String()
	}
	return text
}

// enum reads one of the SDK's string types.
func enum[T ~string](c *converter, value T) string {
	text := string(value)
	return c.text(&text)
}

func instant(value *time.Time) time.Time {
	if value == nil {
		return time.Time{}
	}
	return value.UTC()
}

func (c *converter) bound(what string, count, limit int) {
	if count > limit {
		c.fail(fmt.Errorf("%d %s, more than %d", count, what, limit))
	}
}

func (c *converter) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}
