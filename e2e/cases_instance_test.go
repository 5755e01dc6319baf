package e2e_test

import (
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

// inState makes an instance one in this state.
func inState(state aws.State) func(*trial) {
	return func(tr *trial) { tr.instance(func(i *aws.Instance) { i.State = state }) }
}

// accessDenied is an error of AWS's that is not worth a retry.
func accessDenied() *aws.Error {
	return &aws.Error{Status: 403, Code: "AccessDenied", Message: "not authorized"}
}

func instanceDifferences() []difference {
	const unavailable = "outcome=unavailable"
	return []difference{
		{name: "pending", set: inState(aws.Pending()), want: accepts},
		{name: "stopping", set: inState(aws.Stopping()), want: denies, says: "no reservations", rules: "instance_state"},
		{name: "stopped", set: inState(aws.Stopped()), want: denies, says: "no reservations", rules: "instance_state"},
		{name: "shutting down", set: inState(aws.ShuttingDown()), want: denies, says: "no reservations", rules: "instance_state"},
		{name: "terminated", set: inState(aws.Terminated()), want: denies, says: "no reservations", rules: "instance_state"},
		{name: "terminated, without block device check", config: `skip_block_device = true`, set: inState(aws.Terminated()),
			want: accepts, differs: "instance_state", gatehouse: denies, rules: "instance_state"},
		{name: "stopped, in a locally validated account", config: `account_ids_for_local_validation = ["123456789012"]`, set: inState(aws.Stopped()),
			want: accepts, differs: "instance_state", gatehouse: denies, rules: "instance_state"},
		{name: "terminated, with tags in the path", set: inState(aws.Terminated()), want: denies, says: "no reservations", rules: "instance_state",
			config: "skip_block_device = true\nagent_path_template = \"/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}\""},
		{name: "unknown", set: func(tr *trial) { tr.absent = true }, want: denies, says: "InvalidInstanceID.NotFound", rules: "instance_state"},
		{name: "unknown, without block device check", config: `skip_block_device = true`, set: func(tr *trial) { tr.absent = true },
			want: denies, says: "InvalidInstanceID.NotFound", rules: "[instance_state]"},
		{name: "of an account that is not the server's", set: func(tr *trial) { tr.moveTo(otherAccount, region) },
			want: denies, says: "InvalidInstanceID.NotFound", rules: "instance_state"},
		{name: "in another region than the document says", want: denies, says: "InvalidInstanceID.NotFound", rules: "instance_state", set: func(tr *trial) {
			tr.absent = true
			tr.world.PutInstance(account, otherRegion, aws.Instance{ID: tr.document.InstanceID, State: aws.Running()})
		}},

		{name: "EC2 refuses", want: denies, says: "UnauthorizedOperation", rules: unavailable, set: func(tr *trial) {
			tr.fault("ec2:DescribeInstances", &aws.Error{Status: 403, Code: "UnauthorizedOperation", Message: "You are not authorized"})
		}},
		{name: "EC2 fails", config: `cloud_timeout = "1s"`, want: denies, says: "Unavailable", rules: unavailable, set: func(tr *trial) {
			tr.fault("ec2:DescribeInstances", aws.Unavailable())
		}},
		{name: "EC2 is throttled once", want: accepts, set: func(tr *trial) {
			tr.api.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Error: aws.Throttled(), Times: 1})
		}},
		{name: "IAM refuses", want: denies, says: "AccessDenied", rules: unavailable, set: func(tr *trial) {
			withProfile(aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "web"}}})(tr)
			tr.fault("iam:GetInstanceProfile", accessDenied())
		}},
		{name: "IAM refuses, and is not asked", config: `disable_instance_profile_selectors = true`, want: accepts, calls: true, set: func(tr *trial) {
			withProfile(aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "web"}}})(tr)
			tr.fault("iam:GetInstanceProfile", accessDenied())
		}},
		{name: "IAM is throttled once", want: accepts, set: func(tr *trial) {
			withProfile(aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "web"}}})(tr)
			tr.api.Faults.Add(aws.Fault{Action: "iam:GetInstanceProfile", Error: &aws.Error{Status: 400, Code: "Throttling", Message: "Rate exceeded"}, Times: 1})
		}},
		{name: "Organizations refuses", config: organizationBlock(""), want: denies, says: "AccessDeniedException", rules: unavailable, set: func(tr *trial) {
			member(tr)
			tr.fault("organizations:ListAccounts", &aws.Error{Status: 400, Code: "AccessDeniedException", Message: "You don't have permissions to access this resource."})
		}},
		{name: "EKS refuses to list", config: clusters("prod"), want: denies, says: "AccessDenied", rules: unavailable, set: func(tr *trial) {
			inCluster(tr)
			tr.fault("eks:ListNodegroups", accessDenied())
		}},
		{name: "EKS refuses to describe", config: clusters("prod"), want: denies, says: "AccessDenied", rules: unavailable, set: func(tr *trial) {
			inCluster(tr)
			tr.fault("eks:DescribeNodegroup", accessDenied())
		}},
		{name: "Auto Scaling refuses", config: clusters("prod"), want: denies, says: "AccessDenied", rules: unavailable, set: func(tr *trial) {
			inCluster(tr)
			tr.fault("autoscaling:DescribeAutoScalingGroups", accessDenied())
		}},
		{name: "STS refuses", config: `assume_role = "spire"`, want: denies, says: "AccessDenied", rules: unavailable, set: func(tr *trial) {
			delegate(tr)
			tr.fault("sts:AssumeRole", accessDenied())
		}},
	}
}

// rootAttached has the root volume attached this many seconds after the primary
// network interface.
func rootAttached(seconds float64) func(*trial) {
	return func(tr *trial) {
		tr.instance(func(i *aws.Instance) {
			at := i.Interfaces[0].Attachment.AttachTime.Add(time.Duration(seconds * float64(time.Second)))
			i.BlockDevices[0].EBS.AttachTime = &at
		})
	}
}

func blockDeviceDifferences() []difference {
	const (
		rule      = "[block_device]"
		tampering = 3 * 60 * 60
	)
	changed := func(change func(*aws.Instance)) func(*trial) { return func(tr *trial) { tr.instance(change) } }
	both := func(first func(*trial), change func(*aws.Instance)) func(*trial) {
		return func(tr *trial) { first(tr); tr.instance(change) }
	}
	noPrimary := func(i *aws.Instance) { i.Interfaces[0].Attachment.DeviceIndex = new(1) }
	late := both(rootAttached(0), func(i *aws.Instance) {
		at := i.Interfaces[0].Attachment.AttachTime.Add(tampering * time.Second)
		second := i.Interfaces[0]
		second.Attachment = &aws.Attachment{ID: "eni-attach-2", DeviceIndex: new(1), Status: "attached", AttachTime: &at}
		i.Interfaces = []aws.Interface{second, i.Interfaces[0]}
	})
	return []difference{
		{name: "root attached with the interface", set: rootAttached(0), want: accepts},
		{name: "root attached 59 s later", set: rootAttached(59), want: accepts},
		{name: "root attached 60 s later", set: rootAttached(60), want: accepts},
		{name: "root attached 60.9 s later", set: rootAttached(60.9), want: accepts},
		{name: "root attached 61 s later", set: rootAttached(61), want: denies, says: "differ by 61 seconds", rules: rule},
		{name: "root attached 60 s earlier", set: rootAttached(-60), want: accepts},
		{name: "root attached 60.1 s earlier", set: rootAttached(-60.1), want: denies, says: "differ by 61 seconds", differs: "fractions", gatehouse: accepts},
		{name: "root attached 61.1 s earlier", set: rootAttached(-61.1), want: denies, says: "differ by 62 seconds", rules: rule},
		{name: "root attached 61 s earlier", set: rootAttached(-61), want: denies, says: "differ by 61 seconds", rules: rule},
		{name: "root taken out and put back", set: rootAttached(tampering), want: denies, says: "differ by 10800 seconds", rules: rule},
		{name: "instance store", set: both(rootAttached(tampering), func(i *aws.Instance) { i.RootDeviceType = "instance-store" }), want: accepts},
		{name: "instance store without block devices", want: accepts, set: changed(func(i *aws.Instance) {
			i.RootDeviceType, i.RootDeviceName, i.BlockDevices = "instance-store", "", nil
		})},
		{name: "instance store without primary interface", want: denies, says: "device index 0", rules: rule, set: changed(func(i *aws.Instance) {
			i.RootDeviceType = "instance-store"
			noPrimary(i)
		})},
		{name: "root of no type", set: both(rootAttached(61), func(i *aws.Instance) { i.RootDeviceType = "" }), want: denies, says: "differ by 61 seconds", rules: rule},
		{name: "no primary interface", set: changed(noPrimary), want: denies, says: "device index 0", rules: rule},
		{name: "no interface", set: changed(func(i *aws.Instance) { i.Interfaces = nil }), want: denies, says: "device index 0", rules: rule},
		{name: "primary interface comes second", set: late, want: accepts},
		{name: "primary interface comes second, root put back", set: both(late, func(i *aws.Instance) {
			i.BlockDevices[0].EBS.AttachTime = i.Interfaces[0].Attachment.AttachTime
		}), want: denies, says: "differ by 10800 seconds", rules: rule},
		{name: "root is not among the block devices", set: changed(func(i *aws.Instance) { i.RootDeviceName = "/dev/sda1" }), want: denies, says: "/dev/sda1", rules: rule},
		{name: "root is the second block device", want: accepts, set: changed(func(i *aws.Instance) {
			at := i.LaunchTime.Add(tampering * time.Second)
			i.BlockDevices = append([]aws.BlockDevice{{DeviceName: "/dev/xvdb", EBS: &aws.EBS{VolumeID: "vol-2", AttachTime: &at}}}, i.BlockDevices...)
		})},
		{name: "data volume is an instance store", want: accepts, set: changed(func(i *aws.Instance) {
			i.BlockDevices = append(i.BlockDevices, aws.BlockDevice{DeviceName: "/dev/xvdb"})
		})},
		{name: "check skipped", config: `skip_block_device = true`, set: rootAttached(tampering), want: accepts},
		{name: "check skipped, no interface", config: `skip_block_device = true`, set: changed(func(i *aws.Instance) { i.Interfaces = nil }), want: accepts},
		{name: "locally validated account", config: `account_ids_for_local_validation = ["210987654321", "123456789012"]`, set: rootAttached(tampering), want: accepts},
		{name: "locally validated account is another", config: `account_ids_for_local_validation = ["210987654321"]`, set: rootAttached(tampering),
			want: denies, says: "differ by 10800 seconds", rules: rule},

		{name: "interface without attachment", set: changed(func(i *aws.Instance) { i.Interfaces[0].Attachment = nil }),
			want: panics, differs: "panics", gatehouse: denies, rules: rule},
		{name: "second interface without attachment", want: panics, differs: "panics", gatehouse: accepts, set: changed(func(i *aws.Instance) {
			i.Interfaces = append([]aws.Interface{{ID: "eni-2"}}, i.Interfaces...)
		})},
		{name: "interface without device index", set: changed(func(i *aws.Instance) { i.Interfaces[0].Attachment.DeviceIndex = nil }),
			want: panics, differs: "panics", gatehouse: denies, rules: rule},
		{name: "interface without attach time", set: changed(func(i *aws.Instance) { i.Interfaces[0].Attachment.AttachTime = nil }),
			want: panics, differs: "panics", gatehouse: denies, rules: rule},
		{name: "root volume without EBS", set: changed(func(i *aws.Instance) { i.BlockDevices[0].EBS = nil }),
			want: panics, differs: "panics", gatehouse: denies, rules: rule},
		{name: "root volume without attach time", set: changed(func(i *aws.Instance) { i.BlockDevices[0].EBS.AttachTime = nil }),
			want: panics, differs: "panics", gatehouse: denies, rules: rule},
		{name: "no root device name", set: changed(func(i *aws.Instance) { i.RootDeviceName = "" }),
			want: panics, differs: "panics", gatehouse: denies, rules: rule},
		{name: "block device without name", want: panics, differs: "panics", gatehouse: accepts, set: changed(func(i *aws.Instance) {
			i.BlockDevices = append([]aws.BlockDevice{{}}, i.BlockDevices...)
		})},
	}
}
