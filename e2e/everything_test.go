package e2e_test

import (
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/spire-gatehouse/gatehouse/e2e/moto"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// TestEverythingOn attests a node with every optional feature on, against an AWS
// that others wrote: a role assumed in the node's account, an organization asked
// through a role in its management account, an EKS cluster, tags in the agent's
// path, the roles of the instance's profile, allowed accounts.
//
// Where moto 5.2.1 is no AWS: an EKS node group there names an Auto Scaling group
// that doesn't exist, so the test makes one of that name and attaches the
// instance; and it answers 500 about a cluster that isn't there, so that both
// configured ones are.
func TestEverythingOn(t *testing.T) {
	t.Parallel()
	cloud := startMoto(t)
	m := motoAccounts{cloud.URL, t}
	member := m.organization(managementAccount)
	session := m.in(member)
	instance, group := m.node(session, "prod")
	outsider := m.instance(session)
	m.cluster(session, "test", instance.SubnetId)

	signer, err := awsiid.New(region)
	if err != nil {
		t.Fatal(err)
	}
	certificates := t.TempDir()
	if err := signer.WriteCertificates(certificates); err != nil {
		t.Fatal(err)
	}
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	block, err := stage.Plugin(binary, `
            access_key_id = "`+stage.AccessKeyID+`"
            secret_access_key = "`+stage.SecretAccessKey+`"
            identity_document_certificates = "`+certificates+`"
            partition = "aws"
            assume_role = "agents/spire"
            allowed_account_ids = ["`+member+`"]
            account_ids_for_local_validation = ["`+managementAccount+`"]
            disable_instance_profile_selectors = false
            cloud_timeout = "4m"
            agent_path_template = "/{{ .PluginName }}/{{ .Tags.env | upper }}/{{ .AccountID }}/{{ .InstanceID }}"
            verify_organization {
                management_account_id = "`+managementAccount+`"
                management_account_region = "us-east-1"
                assume_org_role = "org"
                org_account_map_ttl = "1m"
            }
            validate_eks_cluster_membership {
                eks_cluster_names = ["test", "prod"]
            }`)
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, spire.ServerConfig{NodeAttestors: block,
		Env: []string{"AWS_ENDPOINT_URL=" + cloud.URL, "AWS_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true"}})
	s := running{server}

	boot := func(instance ec2types.Instance) *spire.AgentProcess {
		document := awsiid.NewDocument(region)
		document.AccountID, document.InstanceID = member, awssdk.ToString(instance.InstanceId)
		document.AvailabilityZone, document.ImageID = awssdk.ToString(instance.Placement.AvailabilityZone), awssdk.ToString(instance.ImageId)
		document.PendingTime = time.Now().UTC().Format("2006-01-02T15:04:05Z")
		payload, err := signer.Payload(document.JSON())
		if err != nil {
			t.Fatal(err)
		}
		node, err := stage.Serve(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		agent, err := server.StartAgent(t.Context(), spire.AgentConfig{NodeAttestor: spire.AWSIID(node.MetadataURL), Env: []string{"AWS_REGION=" + region}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(agent.Stop)
		return agent
	}

	if _, err := boot(instance).Attested(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := awssdk.ToString(instance.InstanceId)
	want := []spire.Agent{{
		ID:              "spiffe://example.org/spire/agent/aws_iid/PROD/" + member + "/" + id,
		AttestationType: "aws_iid",
		Selectors: []string{
			"aws_iid:account_id:" + member,
			"aws_iid:az:" + awssdk.ToString(instance.Placement.AvailabilityZone),
			"aws_iid:iamrole:arn:aws:iam::" + member + ":role/apps/web",
			"aws_iid:image:id:" + awssdk.ToString(instance.ImageId),
			"aws_iid:instance:id:" + id,
			"aws_iid:region:" + region,
			"aws_iid:sg:id:" + awssdk.ToString(instance.SecurityGroups[0].GroupId),
			"aws_iid:sg:name:web",
			"aws_iid:tag:aws:autoscaling:groupName:" + group,
			"aws_iid:tag:env:prod",
			"aws_iid:tag:team:a:b",
		},
	}}
	if got := s.agents(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	told, err := boot(outsider).Refusal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if entry := s.refusal(t, told); entry.Field("rules") != "[eks_cluster]" {
		t.Errorf("an instance outside the cluster: the server's log says %v", entry.Fields)
	}
}

// motoAccounts makes things in accounts of moto. Its failures are the test's.
type motoAccounts struct {
	url string
	t   *testing.T
}

// root is a session in the account that the server's credentials belong to.
func (m motoAccounts) root() awssdk.Config {
	return awssdk.Config{Region: region, BaseEndpoint: awssdk.String(m.url),
		Credentials: credentials.NewStaticCredentialsProvider(stage.AccessKeyID, stage.SecretAccessKey, "")}
}

// in is a session in another account: moto has accounts as soon as one assumes a
// role in them.
func (m motoAccounts) in(account string) awssdk.Config {
	m.t.Helper()
	output, err := sts.NewFromConfig(m.root()).AssumeRole(m.t.Context(), &sts.AssumeRoleInput{
		RoleArn: awssdk.String("arn:aws:iam::" + account + ":role/setup"), RoleSessionName: awssdk.String("setup")})
	if err != nil {
		m.t.Fatal(err)
	}
	session := m.root()
	session.Credentials = credentials.NewStaticCredentialsProvider(
		*output.Credentials.AccessKeyId, *output.Credentials.SecretAccessKey, *output.Credentials.SessionToken)
	return session
}

// organization makes one, and returns the ID of a member account.
func (m motoAccounts) organization(management string) (member string) {
	m.t.Helper()
	client := organizations.NewFromConfig(m.in(management))
	if _, err := client.CreateOrganization(m.t.Context(), nil); err != nil {
		m.t.Fatal(err)
	}
	for _, name := range []string{"first", "second"} {
		output, err := client.CreateAccount(m.t.Context(), &organizations.CreateAccountInput{AccountName: &name, Email: awssdk.String(name + "@example.org")})
		if err != nil {
			m.t.Fatal(err)
		}
		member = awssdk.ToString(output.CreateAccountStatus.AccountId)
	}
	return member
}

// instance runs an instance with a profile, tags and a security group.
func (m motoAccounts) instance(session awssdk.Config) ec2types.Instance {
	m.t.Helper()
	identity, client := iam.NewFromConfig(session), ec2.NewFromConfig(session)
	name := awssdk.String("web")
	if _, err := identity.GetInstanceProfile(m.t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: name}); err != nil {
		_, roleErr := identity.CreateRole(m.t.Context(), &iam.CreateRoleInput{RoleName: name, Path: awssdk.String("/apps/"), AssumeRolePolicyDocument: awssdk.String("{}")})
		_, profileErr := identity.CreateInstanceProfile(m.t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: name, Path: awssdk.String("/apps/")})
		_, addErr := identity.AddRoleToInstanceProfile(m.t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: name})
		_, groupErr := client.CreateSecurityGroup(m.t.Context(), &ec2.CreateSecurityGroupInput{GroupName: name, Description: name})
		for _, err := range []error{roleErr, profileErr, addErr, groupErr} {
			if err != nil {
				m.t.Fatal(err)
			}
		}
	}
	images, err := client.DescribeImages(m.t.Context(), &ec2.DescribeImagesInput{})
	if err != nil || len(images.Images) == 0 {
		m.t.Fatalf("%d images, %v", len(images.Images), err)
	}
	output, err := client.RunInstances(m.t.Context(), &ec2.RunInstancesInput{
		ImageId: images.Images[0].ImageId, InstanceType: ec2types.InstanceTypeT3Micro, MinCount: awssdk.Int32(1), MaxCount: awssdk.Int32(1),
		SecurityGroups:     []string{"web"},
		IamInstanceProfile: &ec2types.IamInstanceProfileSpecification{Name: name},
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{
			{Key: awssdk.String("env"), Value: awssdk.String("prod")}, {Key: awssdk.String("team"), Value: awssdk.String("a:b")}}}},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return output.Instances[0]
}

// node runs an instance in the Auto Scaling group of a cluster's node group.
func (m motoAccounts) node(session awssdk.Config, cluster string) (instance ec2types.Instance, scalingGroup string) {
	m.t.Helper()
	instance = m.instance(session)
	client, scaling := eks.NewFromConfig(session), autoscaling.NewFromConfig(session)
	m.cluster(session, cluster, instance.SubnetId)
	group, err := client.CreateNodegroup(m.t.Context(), &eks.CreateNodegroupInput{ClusterName: &cluster, NodegroupName: awssdk.String("workers"),
		NodeRole: awssdk.String(eksRole), Subnets: []string{awssdk.ToString(instance.SubnetId)}})
	if err != nil {
		m.t.Fatal(err)
	}
	name := group.Nodegroup.Resources.AutoScalingGroups[0].Name
	_, configErr := scaling.CreateLaunchConfiguration(m.t.Context(), &autoscaling.CreateLaunchConfigurationInput{
		LaunchConfigurationName: name, ImageId: instance.ImageId, InstanceType: awssdk.String("t3.micro")})
	_, groupErr := scaling.CreateAutoScalingGroup(m.t.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: name, LaunchConfigurationName: name, MinSize: awssdk.Int32(0), MaxSize: awssdk.Int32(2),
		AvailabilityZones: []string{awssdk.ToString(instance.Placement.AvailabilityZone)}})
	_, attachErr := scaling.AttachInstances(m.t.Context(), &autoscaling.AttachInstancesInput{
		AutoScalingGroupName: name, InstanceIds: []string{awssdk.ToString(instance.InstanceId)}})
	for _, err := range []error{configErr, groupErr, attachErr} {
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return instance, awssdk.ToString(name)
}

// cluster makes an EKS cluster without node groups.
func (m motoAccounts) cluster(session awssdk.Config, name string, subnet *string) {
	m.t.Helper()
	if _, err := eks.NewFromConfig(session).CreateCluster(m.t.Context(), &eks.CreateClusterInput{Name: &name,
		RoleArn: awssdk.String(eksRole), ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: []string{awssdk.ToString(subnet)}}}); err != nil {
		m.t.Fatal(err)
	}
}

const eksRole = "arn:aws:iam::123456789012:role/eks"

// startMoto starts moto, or skips the test where it isn't installed.
func startMoto(t *testing.T) *moto.Server {
	t.Helper()
	server, err := moto.Start(t.Context())
	if errors.Is(err, moto.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}
