package awsiid_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// fakeEC2 answers every DescribeInstances alike. It is its own Clients.
type fakeEC2 struct {
	awsiid.Clients // nil: nothing else is asked

	out    *ec2.DescribeInstancesOutput
	err    error
	before func(context.Context)
	scopes []awsiid.Scope
	asked  []ec2.DescribeInstancesInput
}

func (f *fakeEC2) EC2(_ context.Context, scope awsiid.Scope) (awsiid.EC2, error) {
	f.scopes = append(f.scopes, scope)
	return f, nil
}

func (f *fakeEC2) DescribeInstances(ctx context.Context, in *ec2.DescribeInstancesInput, _ ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error) {
	if f.before != nil {
		f.before(ctx)
	}
	f.asked = append(f.asked, *in)
	return f.out, f.err
}

const testInstance = "i-0b22a22eec53b9321"

// attested returns evidence of testInstance.
func attested(t testing.TB, clients awsiid.Clients) evidence.Evidence {
	t.Helper()
	ours, _ := authorities(t)
	payload := mustSign(t, func() ([]byte, error) { return ours.Payload(authority.NewDocument(testRegion).JSON()) })
	got, err := trusting(t, clients, ours).Verify(context.Background(), payload)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func answer(instances ...types.Instance) *ec2.DescribeInstancesOutput {
	return &ec2.DescribeInstancesOutput{Reservations: []types.Reservation{{OwnerId: new("123456789012"), Instances: instances}}}
}

// fullInstance is an instance of which EC2 says all that it can.
func fullInstance() types.Instance {
	launch := time.Date(2026, 1, 2, 4, 4, 0, 0, time.FixedZone("", 3600))
	attach := launch.Add(time.Second)
	return types.Instance{
		InstanceId: new(testInstance), ImageId: new("ami-1"), InstanceType: "t3.micro", Architecture: "x86_64",
		State: &types.InstanceState{Name: "running"}, LaunchTime: &launch,
		Placement: &types.Placement{AvailabilityZone: new("us-east-1b")},
		VpcId:     new("vpc-1"), SubnetId: new("subnet-1"), PrivateIpAddress: new("10.0.0.1"), PublicIpAddress: new("192.0.2.1"),
		KeyName: new("key"), InstanceLifecycle: "spot", RootDeviceName: new("/dev/xvda"), RootDeviceType: "ebs",
		IamInstanceProfile: &types.IamInstanceProfile{Arn: new("arn:aws:iam::123456789012:instance-profile/p"), Id: new("A")},
		MetadataOptions:    &types.InstanceMetadataOptionsResponse{HttpTokens: "required", HttpEndpoint: "enabled", HttpPutResponseHopLimit: new(int32(1)), State: "applied"},
		Tags:               []types.Tag{{Key: new("Name"), Value: new("a:b")}, {Key: new("name"), Value: new("")}},
		SecurityGroups:     []types.GroupIdentifier{{GroupId: new("sg-2"), GroupName: new("b")}, {GroupId: new("sg-1"), GroupName: new("a")}},
		NetworkInterfaces: []types.InstanceNetworkInterface{
			{NetworkInterfaceId: new("eni-2"), Attachment: &types.InstanceNetworkInterfaceAttachment{DeviceIndex: new(int32(1)), AttachTime: &attach}},
			{
				NetworkInterfaceId: new("eni-1"), Status: "in-use", MacAddress: new("02:00:00:00:00:01"), VpcId: new("vpc-1"), SubnetId: new("subnet-1"),
				Attachment:         &types.InstanceNetworkInterfaceAttachment{DeviceIndex: new(int32(0)), AttachTime: &attach},
				Association:        &types.InstanceNetworkInterfaceAssociation{PublicIp: new("192.0.2.1")},
				PrivateIpAddresses: []types.InstancePrivateIpAddress{{PrivateIpAddress: new("10.0.0.1")}, {PrivateIpAddress: new("10.0.0.9")}},
				Ipv6Addresses:      []types.InstanceIpv6Address{{Ipv6Address: new("2001:DB8:0:0::1")}, {Ipv6Address: new("no address")}},
			},
		},
		BlockDeviceMappings: []types.InstanceBlockDeviceMapping{
			{DeviceName: new("/dev/xvdb")},
			{DeviceName: new("/dev/xvda"), Ebs: &types.EbsInstanceBlockDevice{VolumeId: new("vol-1"), AttachTime: &attach, Status: "attached", DeleteOnTermination: new(false)}},
		},
	}
}

func TestGatherInstance(t *testing.T) {
	fake := &fakeEC2{out: answer(fullInstance())}
	got := attested(t, fake).Gather(context.Background(), []string{"instance"})
	attach := time.Date(2026, 1, 2, 3, 4, 1, 0, time.UTC)
	want := map[string]evidence.Fact{"instance": evidence.Known(awsiid.Instance{
		ID: testInstance, State: "running", LaunchTime: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), ImageID: "ami-1",
		InstanceType: "t3.micro", Architecture: "x86_64", AvailabilityZone: "us-east-1b", OwnerID: "123456789012",
		VPCID: "vpc-1", SubnetID: "subnet-1", PrivateIP: "10.0.0.1", PublicIP: "192.0.2.1", KeyName: "key", Lifecycle: "spot",
		Tags:           map[string]string{"Name": "a:b", "name": ""},
		SecurityGroups: []awsiid.SecurityGroup{{ID: "sg-1", Name: "a"}, {ID: "sg-2", Name: "b"}},
		NetworkInterfaces: []awsiid.NetworkInterface{
			{ID: "eni-1", DeviceIndex: new(int32(0)), AttachTime: attach, Status: "in-use", PrivateIPs: []string{"10.0.0.1", "10.0.0.9"},
				PublicIP: "192.0.2.1", IPv6Addresses: []string{"2001:db8::1", "no address"}, MACAddress: "02:00:00:00:00:01", VPCID: "vpc-1", SubnetID: "subnet-1"},
			{ID: "eni-2", DeviceIndex: new(int32(1)), AttachTime: attach, PrivateIPs: []string{}},
		},
		BlockDevices: []awsiid.BlockDevice{
			{DeviceName: "/dev/xvda", VolumeID: "vol-1", AttachTime: attach, Status: "attached", DeleteOnTermination: new(false)},
			{DeviceName: "/dev/xvdb"},
		},
		RootDeviceName: "/dev/xvda", RootDeviceType: "ebs", InstanceProfileARN: "arn:aws:iam::123456789012:instance-profile/p",
		MetadataOptions: &awsiid.MetadataOptions{HTTPTokens: "required", HTTPEndpoint: "enabled", HTTPPutResponseHopLimit: new(int32(1)), State: "applied"},
	})}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	schematest.Fact(t, "aws_iid", "instance", got["instance"].Value)
	// Without a role it is the server's own account that is asked.
	if want := []awsiid.Scope{{Partition: "aws", Region: "us-east-1"}}; !reflect.DeepEqual(fake.scopes, want) {
		t.Errorf("asked for clients of %v, want %v", fake.scopes, want)
	}
	if want := []ec2.DescribeInstancesInput{{InstanceIds: []string{testInstance}}}; !reflect.DeepEqual(fake.asked, want) {
		t.Errorf("asked %+v, want %+v", fake.asked, want)
	}
}

// An instance of which EC2 says nothing but the ID is one with nothing else.
func TestGatherBareInstance(t *testing.T) {
	fake := &fakeEC2{out: &ec2.DescribeInstancesOutput{Reservations: []types.Reservation{{Instances: []types.Instance{{InstanceId: new(testInstance)}}}}}}
	fact := attested(t, fake).Gather(context.Background(), []string{"instance"})["instance"]
	got, err := json.Marshal(fact.Value)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"i-0b22a22eec53b9321","tags":{},"security_groups":[],"network_interfaces":[],"block_devices":[]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestGatherJudgesAnswers(t *testing.T) {
	bad := func(text string) evidence.Fact {
		return evidence.Failed(errors.New("awsiid: ec2:DescribeInstances of " + testInstance + " in account 123456789012, region us-east-1: " + text))
	}
	changed := func(change func(*types.Instance)) *ec2.DescribeInstancesOutput {
		instance := fullInstance()
		change(&instance)
		return answer(instance)
	}
	for name, tc := range map[string]struct {
		fake fakeEC2
		want evidence.Fact
	}{
		"no reservations":      {fakeEC2{out: &ec2.DescribeInstancesOutput{}}, evidence.Absent()},
		"empty reservation":    {fakeEC2{out: answer()}, evidence.Absent()},
		"not found":            {fakeEC2{err: &smithy.GenericAPIError{Code: "InvalidInstanceID.NotFound"}}, evidence.Absent()},
		"not found, wrapped":   {fakeEC2{err: fmt.Errorf("operation: %w", &smithy.GenericAPIError{Code: "InvalidInstanceID.NotFound"})}, evidence.Absent()},
		"malformed ID":         {fakeEC2{err: &smithy.GenericAPIError{Code: "InvalidInstanceID.Malformed", Message: "m"}}, bad("api error InvalidInstanceID.Malformed: m")},
		"throttled":            {fakeEC2{err: &smithy.GenericAPIError{Code: "RequestLimitExceeded", Message: "m"}}, bad("api error RequestLimitExceeded: m")},
		"no network":           {fakeEC2{err: errors.New("dial: refused")}, bad("dial: refused")},
		"no answer, no error":  {fakeEC2{}, bad("an empty answer")},
		"another instance":     {fakeEC2{out: changed(func(i *types.Instance) { i.InstanceId = new("i-00000000") })}, bad(`the answer is about another, "i-00000000"`)},
		"one more instance":    {fakeEC2{out: answer(fullInstance(), types.Instance{InstanceId: new("i-00000000")})}, bad(`the answer is about another, "i-00000000"`)},
		"no instance ID":       {fakeEC2{out: changed(func(i *types.Instance) { i.InstanceId = nil })}, bad(`the answer is about another, ""`)},
		"twice":                {fakeEC2{out: answer(fullInstance(), fullInstance())}, bad("the answer has the instance twice")},
		"another account":      {fakeEC2{out: &ec2.DescribeInstancesOutput{Reservations: []types.Reservation{{OwnerId: new("999999999999"), Instances: []types.Instance{fullInstance()}}}}}, bad(`the answer is about an instance of another account, "999999999999"`)},
		"a tag twice":          {fakeEC2{out: changed(func(i *types.Instance) { i.Tags = append(i.Tags, i.Tags[0]) })}, bad(`the answer has the tag "Name" twice`)},
		"many tags":            {fakeEC2{out: changed(func(i *types.Instance) { i.Tags = make([]types.Tag, 201) })}, bad("the answer has 201 tags, more than 200")},
		"many security groups": {fakeEC2{out: changed(func(i *types.Instance) { i.SecurityGroups = make([]types.GroupIdentifier, 257) })}, bad("the answer has 257 security groups, more than 256")},
		"many interfaces": {fakeEC2{out: changed(func(i *types.Instance) { i.NetworkInterfaces = make([]types.InstanceNetworkInterface, 257) })},
			bad("the answer has 257 network interfaces, more than 256")},
		"many addresses": {fakeEC2{out: changed(func(i *types.Instance) {
			i.NetworkInterfaces[0].PrivateIpAddresses = make([]types.InstancePrivateIpAddress, 1025)
		})}, bad("the answer has 1025 private addresses of an interface, more than 1024")},
		"many IPv6 addresses": {fakeEC2{out: changed(func(i *types.Instance) {
			i.NetworkInterfaces[0].Ipv6Addresses = make([]types.InstanceIpv6Address, 1025)
		})}, bad("the answer has 1025 IPv6 addresses of an interface, more than 1024")},
		"many block devices": {fakeEC2{out: changed(func(i *types.Instance) { i.BlockDeviceMappings = make([]types.InstanceBlockDeviceMapping, 257) })},
			bad("the answer has 257 block devices, more than 256")},
		"a long field": {fakeEC2{out: changed(func(i *types.Instance) { i.KeyName = new(strings.Repeat("k", 1025)) })}, bad("the answer has 1025 bytes in one field, more than 1024")},
		"a long enum":  {fakeEC2{out: changed(func(i *types.Instance) { i.State.Name = types.InstanceStateName(strings.Repeat("k", 1025)) })}, bad("the answer has 1025 bytes in one field, more than 1024")},
	} {
		t.Run(name, func(t *testing.T) {
			got := attested(t, &tc.fake).Gather(context.Background(), []string{"instance"})
			sameFacts(t, got, map[string]evidence.Fact{"instance": tc.want})
		})
	}
}

func TestGatherSurvivesPanics(t *testing.T) {
	fake := &fakeEC2{before: func(context.Context) { panic("boom") }}
	got := attested(t, fake).Gather(context.Background(), []string{"instance"})["instance"]
	if got.Status != evidence.StatusError || !strings.HasPrefix(got.Err.Error(), "awsiid: ec2:DescribeInstances of "+testInstance+" in account 123456789012, region us-east-1: panic: boom") {
		t.Errorf("got %+v", got)
	}
}

// Whatever pointer EC2 leaves out, the rest becomes a fact, and nothing panics.
func TestGatherWithoutEachPointer(t *testing.T) {
	count := len(pointersIn(reflect.ValueOf(new(fullInstance()))))
	if count < 30 {
		t.Fatalf("found %d pointers", count)
	}
	fake := &fakeEC2{}
	node := attested(t, fake)
	for at := range count {
		instance := fullInstance()
		pointer := pointersIn(reflect.ValueOf(&instance))[at]
		pointer.SetZero()
		fake.out = answer(instance)
		fact := node.Gather(context.Background(), []string{"instance"})["instance"]
		if instance.InstanceId == nil {
			continue // that one is an error, tested above
		}
		if fact.Status != evidence.StatusKnown {
			t.Errorf("without pointer %d, a %s: %v", at, pointer.Type(), fact.Err)
		}
	}
}

// pointersIn lists the pointers, of fields or elements, reachable from a struct.
func pointersIn(value reflect.Value) []reflect.Value {
	switch value.Kind() {
	case reflect.Pointer:
		var found []reflect.Value
		if value.CanSet() && !value.IsNil() {
			found = append(found, value)
		}
		if !value.IsNil() && value.Type() != reflect.TypeFor[*time.Time]() {
			found = append(found, pointersIn(value.Elem())...)
		}
		return found
	case reflect.Struct:
		var found []reflect.Value
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				found = append(found, pointersIn(value.Field(i))...)
			}
		}
		return found
	case reflect.Slice:
		var found []reflect.Value
		for i := range value.Len() {
			found = append(found, pointersIn(value.Index(i))...)
		}
		return found
	}
	return nil
}

func TestGatherNames(t *testing.T) {
	if got, want := embedded(t).FactNames(), []string{"eks", "instance", "instance_profile", "organization"}; !reflect.DeepEqual(got, want) {
		t.Errorf("facts %v, want %v", got, want)
	}
	got := attested(t, &fakeEC2{out: answer()}).Gather(context.Background(), []string{"weather", "instance", "instance"})
	sameFacts(t, got, map[string]evidence.Fact{
		"instance": evidence.Absent(),
		"weather":  evidence.Failed(errors.New(`awsiid: no fact is named "weather"`)),
	})
	if got := attested(t, nil).Gather(context.Background(), nil); len(got) != 0 {
		t.Errorf("asked for nothing, got %v", got)
	}
	got = attested(t, nil).Gather(context.Background(), []string{"instance"})
	sameFacts(t, got, map[string]evidence.Fact{"instance": evidence.Failed(errors.New("awsiid: ec2:DescribeInstances of i-0b22a22eec53b9321 in account 123456789012, region us-east-1: no AWS clients are configured"))})
}

// A client that doesn't heed its context holds nobody up.
func TestGatherEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	release := make(chan struct{})
	defer close(release)
	fake := &fakeEC2{before: func(context.Context) {
		cancel(errors.New("over"))
		<-release
	}}
	got := attested(t, fake).Gather(ctx, []string{"instance"})
	// Gather and the one call both hear of the end; either may be the one to say so.
	fact := got["instance"]
	if len(got) != 1 || fact.Status != evidence.StatusError || fact.Err == nil || !strings.HasSuffix(fact.Err.Error(), ": over") {
		t.Errorf("got %v", got)
	}
}

// sameFacts compares facts, errors by their text.
func sameFacts(t *testing.T, got, want map[string]evidence.Fact) {
	t.Helper()
	describe := func(facts map[string]evidence.Fact) map[string]string {
		texts := map[string]string{}
		for name, fact := range facts {
			texts[name] = fmt.Sprintf("%s %v %v", fact.Status, fact.Value, fact.Err)
		}
		return texts
	}
	if !reflect.DeepEqual(describe(got), describe(want)) {
		t.Errorf("got  %v\nwant %v", describe(got), describe(want))
	}
}

// overWhenLookedAt is a context that ends when Gather first looks whether it did:
// after all who could answer have answered. Others, who wait for answers, look too.
type overWhenLookedAt struct {
	context.Context
	cancel context.CancelFunc
}

func (c overWhenLookedAt) Done() <-chan struct{} {
	if pc, _, _, _ := runtime.Caller(1); strings.HasSuffix(runtime.FuncForPC(pc).Name(), ".Gather") {
		synctest.Wait()
		c.cancel()
	}
	return c.Context.Done()
}

// What has answered by the time the context ends counts.
func TestGatherKeepsAnswersInTime(t *testing.T) {
	for range 20 { // as it is by chance which of two channels is looked at first
		synctest.Test(t, func(t *testing.T) {
			c := &cloud{instances: func(awsiid.Scope, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
				return answer(types.Instance{InstanceId: new(testInstance)}), nil
			}}
			node := newFleet(t, awsiid.Options{Clients: c}).node(testRegion, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := node.Gather(overWhenLookedAt{ctx, cancel}, []string{"instance", "instance_profile", "organization"})
			for name, want := range map[string]evidence.Status{
				"instance": evidence.StatusKnown, "instance_profile": evidence.StatusAbsent, "organization": evidence.StatusError,
			} {
				if got[name].Status != want || errors.Is(got[name].Err, context.Canceled) {
					t.Errorf("%s: got %+v, want %s", name, got[name], want)
				}
			}
		})
	}
}
