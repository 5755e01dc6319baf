package aws_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

func (f fixture) iam() *iam.Client { return iam.NewFromConfig(f.config(keyID, secret, "")) }
func (f fixture) eks() *eks.Client { return eks.NewFromConfig(f.config(keyID, secret, "")) }
func (f fixture) autoscaling() *autoscaling.Client {
	return autoscaling.NewFromConfig(f.config(keyID, secret, ""))
}
func (f fixture) organizations(id, secret string) *organizations.Client {
	return organizations.NewFromConfig(f.config(id, secret, ""))
}

func TestOddInstance(t *testing.T) {
	f := start(t)
	f.world.PutInstance(account, region, aws.Instance{
		ID: instance, State: aws.Running(), InstanceProfile: &aws.InstanceProfile{},
		Tags:           []aws.Tag{{Key: "none", NoValue: true}, {Key: "empty"}},
		SecurityGroups: []aws.SecurityGroup{{}}, BlockDevices: []aws.BlockDevice{{}}, Interfaces: []aws.Interface{{ID: "eni-1"}},
	})
	output, err := f.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{instance}})
	if err != nil {
		t.Fatal(err)
	}
	got := output.Reservations[0].Instances[0]
	if len(got.Tags) != 2 || got.Tags[0].Value != nil || awssdk.ToString(got.Tags[0].Key) != "none" || got.Tags[1].Value == nil || *got.Tags[1].Value != "" {
		t.Errorf("tags: %s", asJSON(t, got.Tags))
	}
	if got.RootDeviceName != nil || got.IamInstanceProfile == nil || got.IamInstanceProfile.Arn != nil {
		t.Errorf("got %s", asJSON(t, got))
	}
	if len(got.SecurityGroups) != 1 || got.SecurityGroups[0].GroupId != nil || got.SecurityGroups[0].GroupName != nil {
		t.Errorf("security groups: %s", asJSON(t, got.SecurityGroups))
	}
	if len(got.BlockDeviceMappings) != 1 || got.BlockDeviceMappings[0].DeviceName != nil || got.BlockDeviceMappings[0].Ebs != nil {
		t.Errorf("block devices: %s", asJSON(t, got.BlockDeviceMappings))
	}
	if len(got.NetworkInterfaces) != 1 || got.NetworkInterfaces[0].Attachment != nil {
		t.Errorf("interfaces: %s", asJSON(t, got.NetworkInterfaces))
	}
}

func TestGetInstanceProfile(t *testing.T) {
	f := start(t)
	f.world.PutProfile(account, aws.Profile{Name: "web", Path: "/a/b/", Roles: []aws.ProfileRole{{Name: "first"}, {Name: "second", Path: "/p/"}, {Name: "third", NoARN: true}}})
	f.world.PutProfile(other, aws.Profile{Name: "theirs"})
	output, err := f.iam().GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: awssdk.String("web")})
	if err != nil {
		t.Fatal(err)
	}
	got := output.InstanceProfile
	if want := "arn:aws:iam::123456789012:instance-profile/a/b/web"; awssdk.ToString(got.Arn) != want || awssdk.ToString(got.Path) != "/a/b/" || got.CreateDate == nil {
		t.Errorf("got %s", asJSON(t, got))
	}
	var roles []string
	for _, role := range got.Roles {
		roles = append(roles, awssdk.ToString(role.RoleName)+" "+awssdk.ToString(role.Arn))
	}
	want := []string{"first arn:aws:iam::123456789012:role/first", "second arn:aws:iam::123456789012:role/p/second", "third "}
	if !reflect.DeepEqual(roles, want) {
		t.Errorf("roles: got %q, want %q", roles, want)
	}
	for _, name := range []string{"missing", "theirs"} {
		_, err := f.iam().GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: &name})
		var missing *iamtypes.NoSuchEntityException
		if !errors.As(err, &missing) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := f.iam().GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: awssdk.String("a/b/web")}); err == nil || code(t, err) != "ValidationError" {
		t.Errorf("a path for a name: got %v", err)
	}
}

func TestListAccounts(t *testing.T) {
	f := start(t)
	list := func(client *organizations.Client) (ids []string, sizes []int, err error) {
		pages := organizations.NewListAccountsPaginator(client, &organizations.ListAccountsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				return nil, nil, err
			}
			sizes = append(sizes, len(page.Accounts))
			for _, a := range page.Accounts {
				ids = append(ids, fmt.Sprintf("%s %s %s", awssdk.ToString(a.Id), a.State, a.Status))
			}
		}
		return ids, sizes, nil
	}
	var none *orgtypes.AWSOrganizationsNotInUseException
	if _, _, err := list(f.organizations(keyID, secret)); !errors.As(err, &none) {
		t.Errorf("without an organization: got %v", err)
	}

	organization := aws.Organization{Management: account, Accounts: []aws.OrganizationAccount{
		aws.ActiveAccount(account), {ID: other, State: "SUSPENDED"}, {ID: "000000000002", Status: "ACTIVE"}}}
	want := []string{account + " ACTIVE ACTIVE", other + " SUSPENDED ", "000000000002  ACTIVE"}
	for i := range 38 {
		id := fmt.Sprintf("%012d", 100+i)
		organization.Accounts = append(organization.Accounts, aws.ActiveAccount(id))
		want = append(want, id+" ACTIVE ACTIVE")
	}
	for _, tc := range []struct {
		empty bool
		sizes []int
	}{{false, []int{20, 20, 1}}, {true, []int{0, 20, 0, 20, 0, 1}}} {
		organization.EmptyPages = tc.empty
		f.world.PutOrganization(organization)
		ids, sizes, err := list(f.organizations(keyID, secret))
		if err != nil || !reflect.DeepEqual(ids, want) || !reflect.DeepEqual(sizes, tc.sizes) {
			t.Errorf("empty pages %t: got %v in pages of %v, %v", tc.empty, ids, sizes, err)
		}
	}

	var denied *orgtypes.AccessDeniedException
	if _, _, err := list(f.organizations("AKIAOTHER", "other")); !errors.As(err, &denied) {
		t.Errorf("a member: got %v", err)
	}
	organization.Delegated = []string{other}
	f.world.PutOrganization(organization)
	if ids, _, err := list(f.organizations("AKIAOTHER", "other")); err != nil || len(ids) != len(want) {
		t.Errorf("a delegated administrator: got %d accounts, %v", len(ids), err)
	}
	for name, input := range map[string]organizations.ListAccountsInput{
		"large page": {MaxResults: awssdk.Int32(21)}, "no page": {MaxResults: awssdk.Int32(0)}, "bad token": {NextToken: awssdk.String("x")}} {
		if _, err := f.organizations(keyID, secret).ListAccounts(t.Context(), &input); err == nil || code(t, err) != "InvalidInputException" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := f.organizations(keyID, "wrong").ListAccounts(t.Context(), nil); err == nil || code(t, err) != "InvalidSignatureException" {
		t.Errorf("wrong signature: got %v", err)
	}
}

func TestNodegroups(t *testing.T) {
	f := start(t)
	cluster := aws.Cluster{Name: "prod", Nodegroups: []aws.Nodegroup{{Name: "workers", ScalingGroups: []string{"eks-workers", ""}}, {Name: "young", NoResources: true}}}
	for i := range 101 {
		cluster.Nodegroups = append(cluster.Nodegroups, aws.Nodegroup{Name: fmt.Sprintf("more-%d", i)})
	}
	f.world.PutCluster(account, region, cluster)
	f.world.PutCluster(account, "us-east-1", aws.Cluster{Name: "elsewhere"})
	f.world.PutCluster(other, region, aws.Cluster{Name: "theirs"})

	var sizes []int
	pages := eks.NewListNodegroupsPaginator(f.eks(), &eks.ListNodegroupsInput{ClusterName: awssdk.String("prod")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page.Nodegroups))
	}
	if !reflect.DeepEqual(sizes, []int{100, 3}) {
		t.Errorf("pages of %v", sizes)
	}
	describe := func(cluster, group string) (*ekstypes.Nodegroup, error) {
		output, err := f.eks().DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &group})
		if err != nil {
			return nil, err
		}
		return output.Nodegroup, nil
	}
	group, err := describe("prod", "workers")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := asJSON(t, group.Resources.AutoScalingGroups), `[{"Name":"eks-workers"},{"Name":null}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if group, err := describe("prod", "young"); err != nil || group.Resources != nil {
		t.Errorf("got %s, %v", asJSON(t, group), err)
	}
	for _, names := range [][2]string{{"prod", "missing"}, {"missing", "workers"}, {"elsewhere", "workers"}, {"theirs", "workers"}} {
		_, err := describe(names[0], names[1])
		var missing *ekstypes.ResourceNotFoundException
		if !errors.As(err, &missing) {
			t.Errorf("%s: got %v", names, err)
		}
	}
	if _, err := f.eks().ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: awssdk.String("prod"), MaxResults: awssdk.Int32(101)}); err == nil || code(t, err) != "InvalidParameterException" {
		t.Errorf("large page: got %v", err)
	}
	if _, err := f.eks().ListClusters(t.Context(), nil); err == nil || code(t, err) != "UnknownOperationException" {
		t.Errorf("unknown operation: got %v", err)
	}
}

func TestDescribeAutoScalingGroups(t *testing.T) {
	f := start(t)
	for i := range 60 {
		f.world.PutScalingGroup(account, region, aws.ScalingGroup{Name: fmt.Sprintf("group-%02d", i), Instances: []string{fmt.Sprintf("i-%017d", i), ""}})
	}
	f.world.PutScalingGroup(other, region, aws.ScalingGroup{Name: "group-00", Instances: []string{instance}})
	f.world.PutScalingGroup(account, "us-east-1", aws.ScalingGroup{Name: "group-00", Instances: []string{instance}})
	describe := func(input autoscaling.DescribeAutoScalingGroupsInput) (got map[string][]string, sizes []int, err error) {
		got = map[string][]string{}
		pages := autoscaling.NewDescribeAutoScalingGroupsPaginator(f.autoscaling(), &input)
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				return nil, nil, err
			}
			sizes = append(sizes, len(page.AutoScalingGroups))
			for _, group := range page.AutoScalingGroups {
				for _, member := range group.Instances {
					got[awssdk.ToString(group.AutoScalingGroupName)] = append(got[awssdk.ToString(group.AutoScalingGroupName)], awssdk.ToString(member.InstanceId))
				}
			}
		}
		return got, sizes, nil
	}
	got, _, err := describe(autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"group-00", "group-59", "missing"}})
	want := map[string][]string{"group-00": {"i-00000000000000000", ""}, "group-59": {"i-00000000000000059", ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("group-%02d", i))
	}
	for _, tc := range []struct {
		input autoscaling.DescribeAutoScalingGroupsInput
		want  []int
	}{
		{autoscaling.DescribeAutoScalingGroupsInput{}, []int{50, 10}},
		{autoscaling.DescribeAutoScalingGroupsInput{MaxRecords: awssdk.Int32(25)}, []int{25, 25, 10}},
		{autoscaling.DescribeAutoScalingGroupsInput{MaxRecords: awssdk.Int32(100), AutoScalingGroupNames: names}, []int{60}},
	} {
		if got, sizes, err := describe(tc.input); err != nil || !reflect.DeepEqual(sizes, tc.want) || len(got) != 60 {
			t.Errorf("pages of %v, want %v: %d groups, %v", sizes, tc.want, len(got), err)
		}
	}
	for name, tc := range map[string]struct {
		input autoscaling.DescribeAutoScalingGroupsInput
		want  string
	}{
		"large page":         {autoscaling.DescribeAutoScalingGroupsInput{MaxRecords: awssdk.Int32(101)}, "ValidationError"},
		"more names than 50": {autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: names}, "ValidationError"},
		"bad token":          {autoscaling.DescribeAutoScalingGroupsInput{NextToken: awssdk.String("x")}, "InvalidNextToken"},
		"unknown parameter":  {autoscaling.DescribeAutoScalingGroupsInput{IncludeInstances: awssdk.Bool(true)}, "UnknownParameter"},
	} {
		if _, _, err := describe(tc.input); err == nil || code(t, err) != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

func TestDeniedWithoutPermission(t *testing.T) {
	f := start(t)
	f.server.Faults.Add(aws.Fault{Action: "iam:GetInstanceProfile", Error: &aws.Error{Status: 400, Code: "Throttling", Message: "Rate exceeded"}, Times: 1})
	_, err := f.iam().GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: awssdk.String("web")})
	if err == nil || code(t, err) != "Throttling" {
		t.Errorf("throttled: got %v", err)
	}
	f.world.PutRole(account, aws.Role{Name: "none", TrustedAccounts: []string{account}, Actions: []string{"none:None"}})
	session := f.assume(t, account, "none")
	for name, tc := range map[string]struct {
		want string
		call func() error
	}{
		"iam": {"AccessDenied", func() error {
			_, err := iam.NewFromConfig(session).GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: awssdk.String("web")})
			return err
		}},
		"autoscaling": {"AccessDenied", func() error {
			_, err := autoscaling.NewFromConfig(session).DescribeAutoScalingGroups(t.Context(), nil)
			return err
		}},
		"organizations": {"AccessDeniedException", func() error {
			_, err := organizations.NewFromConfig(session).ListAccounts(t.Context(), nil)
			return err
		}},
		"eks": {"AccessDeniedException", func() error {
			_, err := eks.NewFromConfig(session).ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: awssdk.String("prod")})
			return err
		}},
	} {
		if err := tc.call(); err == nil || code(t, err) != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}
