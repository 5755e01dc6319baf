package aws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"reflect"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

const (
	account  = "123456789012"
	other    = "210987654321"
	region   = "us-west-2"
	instance = "i-0123456789abcdef0"
	keyID    = "AKIAEXAMPLE"
	secret   = "secret"
)

type fixture struct {
	url    string
	world  *aws.World
	server *aws.Server
}

func start(t *testing.T) fixture {
	t.Helper()
	world := aws.NewWorld(nil)
	world.AddUser(account, keyID, secret)
	world.AddUser(other, "AKIAOTHER", "other")
	server := aws.New(world)
	listener, err := standin.Listen(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)
	return fixture{listener.URL, world, server}
}

// config is of a client that signs with the key and asks once.
func (f fixture) config(id, secret, session string) awssdk.Config {
	return awssdk.Config{
		Region:           region,
		BaseEndpoint:     awssdk.String(f.url),
		Credentials:      credentials.NewStaticCredentialsProvider(id, secret, session),
		RetryMaxAttempts: 1,
		HTTPClient:       client{},
	}
}

// client sends copies of the bodies: the SDK rewinds its own as soon as there is an
// answer, while the transport may still be looking whether a body is over. It ends
// the connection then, in the middle of an answer that came quickly.
type client struct{}

func (client) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return http.DefaultClient.Do(req)
}

func (f fixture) ec2() *ec2.Client { return ec2.NewFromConfig(f.config(keyID, secret, "")) }

// assume is the config of a client that has assumed a role.
func (f fixture) assume(t *testing.T, account, role string) awssdk.Config {
	t.Helper()
	output, err := sts.NewFromConfig(f.config(keyID, secret, "")).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: awssdk.String("arn:aws:iam::" + account + ":role/" + role), RoleSessionName: awssdk.String("test"),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := output.Credentials
	return f.config(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

// code returns the code of an API error.
func code(t *testing.T, err error) string {
	t.Helper()
	var apiErr smithy.APIError
	if !errors.As(err, &apiErr) {
		t.Fatalf("not an API error: %v", err)
	}
	return apiErr.ErrorCode()
}

func fullInstance() aws.Instance {
	launched := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return aws.Instance{
		ID: instance, ImageID: "ami-0123456789abcdef0", State: aws.Running(), KeyName: "key", Type: "t3.micro",
		LaunchTime: &launched, Placement: &aws.Placement{AvailabilityZone: "us-west-2a", Tenancy: "default"},
		SubnetID: "subnet-1", VPCID: "vpc-1", PrivateIP: "10.0.0.5", PublicIP: "198.51.100.7",
		SecurityGroups: []aws.SecurityGroup{{ID: "sg-1", Name: "blog"}}, Architecture: "x86_64",
		RootDeviceType: "ebs", RootDeviceName: "/dev/xvda",
		BlockDevices: []aws.BlockDevice{
			{DeviceName: "/dev/xvda", EBS: &aws.EBS{VolumeID: "vol-1", Status: "attached", AttachTime: &launched, DeleteOnTermination: true}},
			{DeviceName: "/dev/sdb"},
		},
		Lifecycle: "spot", Tags: []aws.Tag{{Key: "Name", Value: "a <b> & c"}, {Key: "empty", Value: ""}},
		Interfaces: []aws.Interface{
			{ID: "eni-1", SubnetID: "subnet-1", VPCID: "vpc-1", Status: "in-use", MACAddress: "02:00:00:00:00:01", PrivateIP: "10.0.0.5",
				SecurityGroups:   []aws.SecurityGroup{{ID: "sg-1", Name: "blog"}},
				Attachment:       &aws.Attachment{ID: "eni-attach-1", DeviceIndex: awssdk.Int(0), Status: "attached", AttachTime: &launched},
				Association:      &aws.Association{PublicIP: "198.51.100.7"},
				PrivateAddresses: []aws.Address{{PrivateIP: "10.0.0.5", Primary: true}},
				IPv6Addresses:    []aws.IPv6Address{{Address: "2001:db8::1"}}},
			{ID: "eni-2"},
		},
		InstanceProfile: &aws.InstanceProfile{ARN: "arn:aws:iam::123456789012:instance-profile/web", ID: "AIPA1"},
		MetadataOptions: &aws.MetadataOptions{State: "applied", HTTPTokens: "required", HopLimit: 1, HTTPEndpoint: "enabled"},
	}
}

// asJSON writes a value with its pointers followed, to compare and to read.
func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSDKDecodesInstance(t *testing.T) {
	f := start(t)
	f.world.PutInstance(account, region, fullInstance())
	output, err := f.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{instance}})
	if err != nil {
		t.Fatal(err)
	}
	launched := awssdk.Time(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s := awssdk.String
	groups := []types.GroupIdentifier{{GroupId: s("sg-1"), GroupName: s("blog")}}
	want := []types.Reservation{{
		ReservationId: s("r-0123456789abcdef0"), OwnerId: s(account), Groups: []types.GroupIdentifier{},
		Instances: []types.Instance{{
			InstanceId: s(instance), ImageId: s("ami-0123456789abcdef0"), KeyName: s("key"), InstanceType: "t3.micro",
			State:      &types.InstanceState{Code: awssdk.Int32(16), Name: "running"},
			LaunchTime: launched, Placement: &types.Placement{AvailabilityZone: s("us-west-2a"), Tenancy: "default"},
			SubnetId: s("subnet-1"), VpcId: s("vpc-1"), PrivateIpAddress: s("10.0.0.5"), PublicIpAddress: s("198.51.100.7"),
			SecurityGroups: groups, Architecture: "x86_64", RootDeviceType: "ebs", RootDeviceName: s("/dev/xvda"),
			BlockDeviceMappings: []types.InstanceBlockDeviceMapping{
				{DeviceName: s("/dev/xvda"), Ebs: &types.EbsInstanceBlockDevice{VolumeId: s("vol-1"), Status: "attached", AttachTime: launched, DeleteOnTermination: awssdk.Bool(true)}},
				{DeviceName: s("/dev/sdb")},
			},
			InstanceLifecycle: "spot", Tags: []types.Tag{{Key: s("Name"), Value: s("a <b> & c")}, {Key: s("empty"), Value: s("")}},
			NetworkInterfaces: []types.InstanceNetworkInterface{
				{NetworkInterfaceId: s("eni-1"), SubnetId: s("subnet-1"), VpcId: s("vpc-1"), Status: "in-use", MacAddress: s("02:00:00:00:00:01"), PrivateIpAddress: s("10.0.0.5"),
					Groups:             groups,
					Attachment:         &types.InstanceNetworkInterfaceAttachment{AttachmentId: s("eni-attach-1"), DeviceIndex: awssdk.Int32(0), Status: "attached", AttachTime: launched},
					Association:        &types.InstanceNetworkInterfaceAssociation{PublicIp: s("198.51.100.7")},
					PrivateIpAddresses: []types.InstancePrivateIpAddress{{PrivateIpAddress: s("10.0.0.5"), Primary: awssdk.Bool(true)}},
					Ipv6Addresses:      []types.InstanceIpv6Address{{Ipv6Address: s("2001:db8::1")}}},
				{NetworkInterfaceId: s("eni-2"), Groups: []types.GroupIdentifier{}, PrivateIpAddresses: []types.InstancePrivateIpAddress{}, Ipv6Addresses: []types.InstanceIpv6Address{}},
			},
			IamInstanceProfile: &types.IamInstanceProfile{Arn: s("arn:aws:iam::123456789012:instance-profile/web"), Id: s("AIPA1")},
			MetadataOptions:    &types.InstanceMetadataOptionsResponse{State: "applied", HttpTokens: "required", HttpPutResponseHopLimit: awssdk.Int32(1), HttpEndpoint: "enabled"},
		}},
	}}
	if got, want := asJSON(t, output.Reservations), asJSON(t, want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	wantCalls := []aws.Call{{Action: "ec2:DescribeInstances", Account: account, Region: region, Caller: "arn:aws:iam::123456789012:user/AKIAEXAMPLE"}}
	if got := f.server.Calls(); !reflect.DeepEqual(got, wantCalls) {
		t.Errorf("calls: got %+v, want %+v", got, wantCalls)
	}
}

func TestDescribeInstancesRefuses(t *testing.T) {
	f := start(t)
	f.world.PutInstance(account, region, aws.Instance{ID: instance, State: aws.Running()})
	f.world.PutInstance(account, "us-east-1", aws.Instance{ID: "i-00000000000000001", State: aws.Running()})
	f.world.PutInstance(other, region, aws.Instance{ID: "i-00000000000000002", State: aws.Running()})
	cases := []struct {
		name, want string
		input      ec2.DescribeInstancesInput
	}{
		{"unknown id", "InvalidInstanceID.NotFound", ec2.DescribeInstancesInput{InstanceIds: []string{"i-ffffffffffffffff0"}}},
		{"one unknown id fails all", "InvalidInstanceID.NotFound", ec2.DescribeInstancesInput{InstanceIds: []string{instance, "i-ffffffffffffffff0"}}},
		{"id of another region", "InvalidInstanceID.NotFound", ec2.DescribeInstancesInput{InstanceIds: []string{"i-00000000000000001"}}},
		{"id of another account", "InvalidInstanceID.NotFound", ec2.DescribeInstancesInput{InstanceIds: []string{"i-00000000000000002"}}},
		{"malformed id", "InvalidInstanceID.Malformed", ec2.DescribeInstancesInput{InstanceIds: []string{"i-xyz"}}},
		{"ids with a page size", "InvalidParameterCombination", ec2.DescribeInstancesInput{InstanceIds: []string{instance}, MaxResults: awssdk.Int32(10)}},
		{"small page", "InvalidParameterValue", ec2.DescribeInstancesInput{MaxResults: awssdk.Int32(4)}},
		{"large page", "InvalidParameterValue", ec2.DescribeInstancesInput{MaxResults: awssdk.Int32(1001)}},
		{"bad page token", "InvalidParameterValue", ec2.DescribeInstancesInput{NextToken: awssdk.String("x")}},
		{"unknown filter", "InvalidParameterValue", ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: awssdk.String("colour"), Values: []string{"red"}}}}},
		{"dry run", "DryRunOperation", ec2.DescribeInstancesInput{DryRun: awssdk.Bool(true)}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			output, err := f.ec2().DescribeInstances(t.Context(), &tc.input)
			if err == nil {
				t.Fatalf("accepted: %+v", output.Reservations)
			}
			if got := code(t, err); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestFiltersAndPages(t *testing.T) {
	f := start(t)
	for i := range 12 {
		state := aws.Running()
		if i%2 == 1 {
			state = aws.Terminated()
		}
		f.world.PutInstance(account, region, aws.Instance{ID: "i-0000000000000000" + string("0123456789ab"[i]), State: state})
	}
	pages := ec2.NewDescribeInstancesPaginator(f.ec2(), &ec2.DescribeInstancesInput{
		Filters:    []types.Filter{{Name: awssdk.String("instance-state-name"), Values: []string{"pending", "run*"}}},
		MaxResults: awssdk.Int32(5),
	})
	var got [][]string
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range page.Reservations {
			ids = append(ids, awssdk.ToString(r.Instances[0].InstanceId))
		}
		got = append(got, ids)
	}
	want := [][]string{
		{"i-00000000000000000", "i-00000000000000002", "i-00000000000000004", "i-00000000000000006", "i-00000000000000008"},
		{"i-0000000000000000a"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAssumeRole(t *testing.T) {
	f := start(t)
	f.world.PutRole(other, aws.Role{Name: "delegate", TrustedAccounts: []string{account}, Actions: []string{"ec2:DescribeInstances"}})
	f.world.PutRole(other, aws.Role{Name: "stranger", TrustedAccounts: []string{"999999999999"}})
	f.world.PutRole(other, aws.Role{Name: "blind", TrustedAccounts: []string{account}, Actions: []string{"iam:GetInstanceProfile"}})
	f.world.PutInstance(other, region, aws.Instance{ID: instance, State: aws.Running()})
	assume := func(role string) (*sts.AssumeRoleOutput, error) {
		return sts.NewFromConfig(f.config(keyID, secret, "")).AssumeRole(t.Context(), &sts.AssumeRoleInput{
			RoleArn: awssdk.String("arn:aws:iam::" + other + ":role/" + role), RoleSessionName: awssdk.String("test"),
		})
	}
	describe := func(role string) error {
		_, err := ec2.NewFromConfig(f.assume(t, other, role)).
			DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{instance}})
		return err
	}
	if err := describe("delegate"); err != nil {
		t.Errorf("trusted role: %v", err)
	}
	if err := describe("blind"); err == nil || code(t, err) != "UnauthorizedOperation" {
		t.Errorf("role without the permission: got %v", err)
	}
	for _, role := range []string{"stranger", "missing"} {
		if _, err := assume(role); err == nil || code(t, err) != "AccessDenied" {
			t.Errorf("%s: got %v", role, err)
		}
	}
}

// TestRolesOfAPartition asks for roles with and without their path, in the regions
// of several partitions.
func TestRolesOfAPartition(t *testing.T) {
	f := start(t)
	f.world.AddRegion("cn-north-1")
	f.world.AddRegion("cn-northwest-1")
	f.world.AddRegion("us-gov-west-1")
	f.world.PutRole(other, aws.Role{Name: "plain", TrustedAccounts: []string{account}})
	f.world.PutRole(other, aws.Role{Name: "spire", Path: "/a/b/", TrustedAccounts: []string{account}})
	in := func(region string, config awssdk.Config) awssdk.Config {
		config.Region = region
		return config
	}
	for _, tc := range []struct{ region, partition, role, want string }{
		{region, "aws", "plain", ""},
		{region, "aws", "a/b/spire", ""},
		{region, "aws", "a/b/plain", "AccessDenied"},
		{region, "aws", "spire", "AccessDenied"},
		{region, "aws", "a/spire", "AccessDenied"},
		{region, "aws", "b/a/spire", "AccessDenied"},
		{region, "aws", "a/b/spire/", "ValidationError"},
		{region, "aws-cn", "plain", "ValidationError"},
		{region, "aws-moon", "plain", "ValidationError"},
		{"cn-north-1", "aws-cn", "plain", ""},
		{"cn-north-1", "aws-cn", "a/b/spire", ""},
		{"cn-north-1", "aws", "plain", "ValidationError"},
		{"us-gov-west-1", "aws-us-gov", "a/b/spire", ""},
		{"us-gov-west-1", "aws-cn", "a/b/spire", "ValidationError"},
	} {
		t.Run(tc.partition+" "+tc.role+" in "+tc.region, func(t *testing.T) {
			output, err := sts.NewFromConfig(in(tc.region, f.config(keyID, secret, ""))).AssumeRole(t.Context(), &sts.AssumeRoleInput{
				RoleArn: awssdk.String("arn:" + tc.partition + ":iam::" + other + ":role/" + tc.role), RoleSessionName: awssdk.String("test"),
			})
			if err != nil {
				if got := code(t, err); got != tc.want {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				return
			}
			if tc.want != "" {
				t.Fatalf("got a session, want %s", tc.want)
			}
			// What it is now called, in AWS without the path; and where it is known.
			want := "arn:" + tc.partition + ":sts::" + other + ":assumed-role/" + path.Base(tc.role) + "/test"
			if got := awssdk.ToString(output.AssumedRoleUser.Arn); got != want {
				t.Errorf("the session is %s, want %s", got, want)
			}
			c := output.Credentials
			session := f.config(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
			for _, there := range []string{region, "cn-northwest-1", "us-gov-west-1"} {
				same := map[string]string{region: "aws", "cn-northwest-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}[there] == tc.partition
				identity, err := sts.NewFromConfig(in(there, session)).GetCallerIdentity(t.Context(), nil)
				switch {
				case same && (err != nil || awssdk.ToString(identity.Arn) != want):
					t.Errorf("in %s: %v", there, err)
				case !same && (err == nil || code(t, err) != "InvalidClientTokenId"):
					t.Errorf("in %s of another partition: %v", there, err)
				}
			}
		})
	}
	f.world.PutProfile(account, aws.Profile{Name: "web", Path: "/p/", Roles: []aws.ProfileRole{{Name: "web", Path: "/q/"}}})
	output, err := iam.NewFromConfig(in("cn-north-1", f.config(keyID, secret, ""))).GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: awssdk.String("web")})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{awssdk.ToString(output.InstanceProfile.Arn), awssdk.ToString(output.InstanceProfile.Roles[0].Arn)}
	if want := []string{"arn:aws-cn:iam::" + account + ":instance-profile/p/web", "arn:aws-cn:iam::" + account + ":role/q/web"}; !reflect.DeepEqual(got, want) {
		t.Errorf("in China: got %v, want %v", got, want)
	}
}

func TestFaults(t *testing.T) {
	f := start(t)
	describe := func() error {
		_, err := f.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
		return err
	}
	f.server.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Account: other, Error: aws.Unavailable()})
	f.server.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Error: aws.Throttled(), Times: 2})
	for i := range 2 {
		if err := describe(); err == nil || code(t, err) != "RequestLimitExceeded" {
			t.Errorf("call %d: got %v", i, err)
		}
	}
	if err := describe(); err != nil {
		t.Errorf("after the fault: %v", err)
	}
	f.server.Faults.Add(aws.Fault{Latency: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.ec2().DescribeInstances(ctx, &ec2.DescribeInstancesInput{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with an hour of latency: got %v", err)
	}
	f.server.Faults.Clear()
	if err := describe(); err != nil {
		t.Errorf("after clearing: %v", err)
	}
	held := make(chan struct{})
	f.server.Faults.Add(aws.Fault{Hold: held, Times: 2})
	answered := make(chan error, 1)
	go func() { answered <- describe() }()
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.ec2().DescribeInstances(ctx, &ec2.DescribeInstancesInput{}); !errors.Is(err, context.DeadlineExceeded) || len(answered) > 0 {
		t.Errorf("held back: got %v, and %d are answered", err, len(answered))
	}
	close(held)
	if err := <-answered; err != nil {
		t.Errorf("after that: %v", err)
	}
}
