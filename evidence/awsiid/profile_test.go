package awsiid_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

const profileARN = "arn:aws:iam::123456789012:instance-profile/path/to/web"

// withProfile is a cloud whose instances have a profile, and that knows it.
func withProfile(arn *string) *cloud {
	c := &cloud{}
	c.instances = func(_ awsiid.Scope, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
		return &ec2.DescribeInstancesOutput{Reservations: []types.Reservation{{Instances: []types.Instance{{
			InstanceId: &in.InstanceIds[0], IamInstanceProfile: &types.IamInstanceProfile{Arn: arn},
		}}}}}, nil
	}
	c.profile = func(awsiid.Scope, *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
		return &iam.GetInstanceProfileOutput{InstanceProfile: &iamtypes.InstanceProfile{Arn: arn, Roles: []iamtypes.Role{
			{Arn: new("arn:aws:iam::123456789012:role/x/one"), RoleName: new("one")}, {Arn: new("arn:aws:iam::123456789012:role/two")}, {},
		}}}, nil
	}
	return c
}

func TestInstanceProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withProfile(new(profileARN))
		nodes := newFleet(t, awsiid.Options{Clients: c, AssumeRole: "reader"})
		got := gather(t, nodes.node(testRegion, nil), "instance_profile")
		same(t, got, evidence.Known(awsiid.InstanceProfile{ARN: profileARN, Name: "web", Roles: []awsiid.Role{
			{ARN: "arn:aws:iam::123456789012:role/x/one", Name: "one"}, {ARN: "arn:aws:iam::123456789012:role/two"}, {},
		}}))
		schematest.Fact(t, "aws_iid", "instance_profile", got.Value)
		const describe = "aws/123456789012/us-east-1/reader DescribeInstances i-0b22a22eec53b9321"
		const profile = "aws/123456789012/us-east-1/reader GetInstanceProfile web"
		calls(t, c, describe, profile)

		// Both facts together need the instance once, and the profile is known.
		both := nodes.node(testRegion, nil).Gather(t.Context(), []string{"instance", "instance_profile"})
		if both["instance"].Status != evidence.StatusKnown || both["instance_profile"].Status != evidence.StatusKnown {
			t.Errorf("got %+v", both)
		}
		calls(t, c, describe)

		time.Sleep(61 * time.Second)
		gather(t, nodes.node(testRegion, nil), "instance_profile")
		calls(t, c, describe, profile)
	})
}

// A profile that had no role when another node asked is asked for again: a node
// would go without the selectors of a role that it has.
func TestInstanceProfileIsReadAgainWithoutRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withProfile(new(profileARN))
		full := c.profile
		c.profile = func(awsiid.Scope, *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
			return &iam.GetInstanceProfileOutput{InstanceProfile: &iamtypes.InstanceProfile{Arn: new(profileARN)}}, nil
		}
		nodes := newFleet(t, awsiid.Options{Clients: c, AssumeRole: "reader"})
		none := evidence.Known(awsiid.InstanceProfile{ARN: profileARN, Name: "web", Roles: []awsiid.Role{}})
		same(t, gather(t, nodes.node(testRegion, nil), "instance_profile"), none)
		time.Sleep(time.Second)
		began := time.Now()
		same(t, gather(t, nodes.node(testRegion, nil), "instance_profile"), none)
		if took := time.Since(began); took != 9*time.Second {
			t.Errorf("it took %v, want until the profile may be read again", took)
		}
		c.profile = full
		time.Sleep(time.Second)
		got := gather(t, nodes.node(testRegion, nil), "instance_profile")
		if profile, _ := got.Value.(awsiid.InstanceProfile); len(profile.Roles) != 3 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestInstanceProfileJudgesAnswers(t *testing.T) {
	asked := func(text string) evidence.Fact {
		return evidence.Failed(errors.New("awsiid: iam:GetInstanceProfile of web in account 123456789012, region us-east-1: " + text))
	}
	malformed := func(arn string) evidence.Fact {
		return evidence.Failed(errors.New("awsiid: \"" + arn + "\" is not the ARN of an instance profile"))
	}
	for name, tc := range map[string]struct {
		arn  *string
		out  *iam.GetInstanceProfileOutput
		err  error
		want evidence.Fact
	}{
		"no profile":       {nil, nil, nil, evidence.Absent()},
		"an empty ARN":     {new(""), nil, nil, evidence.Absent()},
		"without a path":   {new("arn:aws:iam::123456789012:instance-profile/web"), &iam.GetInstanceProfileOutput{InstanceProfile: &iamtypes.InstanceProfile{}}, nil, evidence.Known(awsiid.InstanceProfile{ARN: "arn:aws:iam::123456789012:instance-profile/web", Name: "web", Roles: []awsiid.Role{}})},
		"another account":  {new("arn:aws:iam::999999999999:instance-profile/web"), nil, nil, evidence.Failed(errors.New(`awsiid: instance profile "arn:aws:iam::999999999999:instance-profile/web" is not of account 123456789012`))},
		"no ARN":           {new("web"), nil, nil, evidence.Failed(errors.New(`awsiid: instance profile "web": arn: invalid prefix`))},
		"a role":           {new("arn:aws:iam::123456789012:role/web"), nil, nil, malformed("arn:aws:iam::123456789012:role/web")},
		"no name":          {new("arn:aws:iam::123456789012:instance-profile/path/"), nil, nil, malformed("arn:aws:iam::123456789012:instance-profile/path/")},
		"another service":  {new("arn:aws:s3::123456789012:instance-profile/web"), nil, nil, malformed("arn:aws:s3::123456789012:instance-profile/web")},
		"an odd name":      {new("arn:aws:iam::123456789012:instance-profile/a b"), nil, nil, malformed("arn:aws:iam::123456789012:instance-profile/a b")},
		"not known":        {new(profileARN), nil, &smithy.GenericAPIError{Code: "NoSuchEntity", Message: "m"}, asked("api error NoSuchEntity: m")},
		"no answer":        {new(profileARN), nil, nil, asked("an empty answer")},
		"an empty answer":  {new(profileARN), &iam.GetInstanceProfileOutput{}, nil, asked("an empty answer")},
		"another profile":  {new(profileARN), &iam.GetInstanceProfileOutput{InstanceProfile: &iamtypes.InstanceProfile{Arn: new("arn:aws:iam::123456789012:instance-profile/web")}}, nil, asked(`the answer is about another profile, "arn:aws:iam::123456789012:instance-profile/web"`)},
		"many roles":       {new(profileARN), &iam.GetInstanceProfileOutput{InstanceProfile: &iamtypes.InstanceProfile{Roles: make([]iamtypes.Role, 17)}}, nil, asked("the answer has 17 roles, more than 16")},
		"a long role name": {new(profileARN), &iam.GetInstanceProfileOutput{InstanceProfile: &iamtypes.InstanceProfile{Roles: []iamtypes.Role{{RoleName: new(strings.Repeat("r", 1025))}}}}, nil, asked("the answer has 1025 bytes in one field, more than 1024")},
	} {
		t.Run(name, func(t *testing.T) {
			c := withProfile(tc.arn)
			c.profile = func(awsiid.Scope, *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
				return tc.out, tc.err
			}
			same(t, gather(t, newFleet(t, awsiid.Options{Clients: c}).node(testRegion, nil), "instance_profile"), tc.want)
		})
	}
}

func TestInstanceProfileOfAnAbsentInstance(t *testing.T) {
	c := &cloud{instances: func(awsiid.Scope, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
		return answer(), nil
	}}
	same(t, gather(t, newFleet(t, awsiid.Options{Clients: c}).node(testRegion, nil), "instance_profile"), evidence.Absent())
	c.instances = func(awsiid.Scope, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
		return nil, errors.New("down")
	}
	same(t, gather(t, newFleet(t, awsiid.Options{Clients: c}).node(testRegion, nil), "instance_profile"),
		evidence.Failed(errors.New("awsiid: ec2:DescribeInstances of i-0b22a22eec53b9321 in account 123456789012, region us-east-1: down")))
}

// A profile of one account is never taken for that of the same name in another.
func TestInstanceProfileOfEachAccount(t *testing.T) {
	c := withProfile(nil)
	c.instances = func(s awsiid.Scope, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
		return &ec2.DescribeInstancesOutput{Reservations: []types.Reservation{{Instances: []types.Instance{{
			InstanceId: &in.InstanceIds[0], IamInstanceProfile: &types.IamInstanceProfile{Arn: new("arn:aws:iam::" + s.AccountID + ":instance-profile/web")},
		}}}}}, nil
	}
	c.profile = func(s awsiid.Scope, _ *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
		return &iam.GetInstanceProfileOutput{InstanceProfile: &iamtypes.InstanceProfile{Roles: []iamtypes.Role{{RoleName: &s.AccountID}}}}, nil
	}
	nodes := newFleet(t, awsiid.Options{Clients: c, AssumeRole: "reader"})
	for range 2 {
		for _, account := range []string{"111111111111", "222222222222"} {
			node := nodes.node(testRegion, func(d *authority.Document) { d.AccountID = account })
			same(t, gather(t, node, "instance_profile"), evidence.Known(awsiid.InstanceProfile{
				ARN: "arn:aws:iam::" + account + ":instance-profile/web", Name: "web", Roles: []awsiid.Role{{Name: account}},
			}))
		}
	}
}
