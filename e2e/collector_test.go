package e2e_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/spire-gatehouse/gatehouse/e2e/moto"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// A cloud is one that the collector is tested against.
type cloud interface {
	// launch starts an instance with the tag Name=collector.
	launch(t *testing.T) (instanceID string)
	stop(t *testing.T, instanceID string)
	terminate(t *testing.T, instanceID string)
}

func TestCollectorAgainstStandIn(t *testing.T) {
	c := newAWS(t)
	setAWSEnvironment(t, c.URL)
	testCollector(t, standInCloud{c})
}

func TestCollectorAgainstMoto(t *testing.T) {
	server := startMoto(t)
	setAWSEnvironment(t, server.URL)
	loaded, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	testCollector(t, motoCloud{ec2.NewFromConfig(loaded)})
}

// awsEnvironment leads the SDK to a cloud on loopback.
func awsEnvironment(url string) []string {
	return []string{
		"AWS_ENDPOINT_URL=" + url, "AWS_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + stage.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + stage.SecretAccessKey, "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_PROFILE=",
	}
}

// setAWSEnvironment leads this process's SDK to a cloud on loopback.
func setAWSEnvironment(t *testing.T, url string) {
	t.Helper()
	for _, variable := range awsEnvironment(url) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
}

// testCollector takes one instance through its life.
func testCollector(t *testing.T, cloud cloud) {
	signer, err := authority.New(region)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := signer.WriteCertificates(dir); err != nil {
		t.Fatal(err)
	}
	certificates, err := awsiid.LoadCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	clients, err := awsiid.NewSDKClients(t.Context(), awsiid.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	collector, err := awsiid.New(awsiid.Options{Certificates: certificates, Clients: clients})
	if err != nil {
		t.Fatal(err)
	}
	gather := func(id string) evidence.Fact {
		t.Helper()
		document := authority.NewDocument(region)
		document.AccountID, document.InstanceID = moto.Account, id
		payload, err := signer.Payload(document.JSON())
		if err != nil {
			t.Fatal(err)
		}
		verified, err := collector.Verify(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
		defer cancel()
		return verified.Gather(ctx, []string{"instance"})["instance"]
	}

	if fact := gather("i-0fffffffffffffff0"); fact.Status != evidence.StatusAbsent {
		t.Errorf("an instance that is not there: %+v", fact)
	}
	id := cloud.launch(t)
	fact := gather(id)
	if fact.Status != evidence.StatusKnown {
		t.Fatalf("a running instance: %+v", fact)
	}
	checkInstance(t, fact.Value, id)

	cloud.stop(t, id)
	wantState(t, gather(id), "stopped")
	cloud.terminate(t, id)
	wantState(t, gather(id), "terminated")
}

// checkInstance compares what is the same in every cloud.
func checkInstance(t *testing.T, value any, id string) {
	t.Helper()
	instance, ok := value.(awsiid.Instance)
	if !ok {
		t.Fatalf("the fact is a %T", value)
	}
	if instance.ID != id || instance.State != "running" || instance.InstanceType != "t3.micro" || instance.OwnerID != moto.Account {
		t.Errorf("got %+v", instance)
	}
	if instance.Tags["Name"] != "collector" || len(instance.Tags) != 1 {
		t.Errorf("tags: %v", instance.Tags)
	}
	if instance.LaunchTime.IsZero() || time.Since(instance.LaunchTime) > time.Hour {
		t.Errorf("launch time: %s", instance.LaunchTime)
	}
	if len(instance.SecurityGroups) != 1 || instance.SecurityGroups[0].ID == "" || instance.SecurityGroups[0].Name != "web" {
		t.Errorf("security groups: %+v", instance.SecurityGroups)
	}
	if len(instance.NetworkInterfaces) != 1 || instance.NetworkInterfaces[0].DeviceIndex == nil || *instance.NetworkInterfaces[0].DeviceIndex != 0 ||
		instance.NetworkInterfaces[0].AttachTime.IsZero() || !slices.Contains(instance.NetworkInterfaces[0].PrivateIPs, instance.PrivateIP) {
		t.Errorf("network interfaces: %+v", instance.NetworkInterfaces)
	}
	if !slices.ContainsFunc(instance.BlockDevices, func(d awsiid.BlockDevice) bool {
		return d.DeviceName == instance.RootDeviceName && d.VolumeID != "" && !d.AttachTime.IsZero()
	}) {
		t.Errorf("root device %q is not in %+v", instance.RootDeviceName, instance.BlockDevices)
	}
}

func wantState(t *testing.T, fact evidence.Fact, want string) {
	t.Helper()
	if instance, ok := fact.Value.(awsiid.Instance); !ok || instance.State != want {
		t.Errorf("want a %s instance, got %+v", want, fact)
	}
}

// standInCloud is our own stand-in.
type standInCloud struct{ *stage.AWS }

func (c standInCloud) launch(t *testing.T) string {
	c.put(t, instanceID, aws.Running())
	return instanceID
}
func (c standInCloud) stop(t *testing.T, id string)      { c.put(t, id, aws.Stopped()) }
func (c standInCloud) terminate(t *testing.T, id string) { c.put(t, id, aws.Terminated()) }

func (c standInCloud) put(t *testing.T, id string, state aws.State) {
	t.Helper()
	instance, err := stage.Instance(c.Document(id))
	if err != nil {
		t.Fatal(err)
	}
	instance.State, instance.Tags = state, []aws.Tag{{Key: "Name", Value: "collector"}}
	c.World.PutInstance(account, region, instance)
}

// motoCloud is moto, through the same API as a real account.
type motoCloud struct{ client *ec2.Client }

func (c motoCloud) launch(t *testing.T) string {
	t.Helper()
	images, err := c.client.DescribeImages(t.Context(), &ec2.DescribeImagesInput{})
	if err != nil || len(images.Images) == 0 {
		t.Fatalf("%d images, %v", len(images.Images), err)
	}
	group, err := c.client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: awssdk.String("web"), Description: awssdk.String("test")})
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.client.RunInstances(t.Context(), &ec2.RunInstancesInput{
		ImageId: images.Images[0].ImageId, SecurityGroupIds: []string{awssdk.ToString(group.GroupId)}, InstanceType: types.InstanceTypeT3Micro, MinCount: awssdk.Int32(1), MaxCount: awssdk.Int32(1),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance,
			Tags: []types.Tag{{Key: awssdk.String("Name"), Value: awssdk.String("collector")}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return awssdk.ToString(output.Instances[0].InstanceId)
}

func (c motoCloud) stop(t *testing.T, id string) {
	t.Helper()
	if _, err := c.client.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{id}}); err != nil {
		t.Fatal(err)
	}
}

func (c motoCloud) terminate(t *testing.T, id string) {
	t.Helper()
	if _, err := c.client.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}); err != nil {
		t.Fatal(err)
	}
}

// TestCollectorSharesCalls has instances described together by the real SDK. Those
// that don't exist are named by an error of the whole call.
func TestCollectorSharesCalls(t *testing.T) {
	cloud := newAWS(t)
	setAWSEnvironment(t, cloud.URL)
	certificates, err := awsiid.LoadCertificates(cloud.Certificates)
	if err != nil {
		t.Fatal(err)
	}
	clients, err := awsiid.NewSDKClients(t.Context(), awsiid.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	collector, err := awsiid.New(awsiid.Options{Certificates: certificates, Clients: clients})
	if err != nil {
		t.Fatal(err)
	}
	const count = 150
	missing := func(i int) bool { return i == 17 || i == 42 }
	nodes := make([]evidence.Evidence, count)
	for i := range nodes {
		id := fmt.Sprintf("i-%017x", i+1)
		document := cloud.Document(id)
		document.PendingTime = time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) // not so young that it is asked for again
		payload, err := cloud.Authority.Payload(document.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if nodes[i], err = collector.Verify(t.Context(), payload); err != nil {
			t.Fatal(err)
		}
		if !missing(i) {
			standInCloud{cloud}.put(t, id, aws.Running())
		}
	}
	cloud.API.Forget()
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() {
			fact := node.Gather(t.Context(), []string{"instance"})["instance"]
			want := evidence.StatusKnown
			if missing(i) {
				want = evidence.StatusAbsent
			}
			if instance, _ := fact.Value.(awsiid.Instance); fact.Status != want || want == evidence.StatusKnown && instance.ID != fmt.Sprintf("i-%017x", i+1) {
				t.Errorf("instance %d: got %+v, want %s", i, fact, want)
			}
		})
	}
	all.Wait()
	if calls := cloud.API.Calls(); len(calls) > 8 {
		t.Errorf("%d calls, want 8 at most: %+v", len(calls), calls)
	}
}
