package awsiid_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// cloud is AWS as far as a test says what it answers. It notes who was asked what.
type cloud struct {
	instances    func(awsiid.Scope, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error)
	profile      func(awsiid.Scope, *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error)
	accounts     func(awsiid.Scope, *organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error)
	nodeGroups   func(awsiid.Scope, *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error)
	nodeGroup    func(awsiid.Scope, *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error)
	scalingGroup func(awsiid.Scope, *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error)

	mu    sync.Mutex
	calls []string
}

// scoped is the cloud as one scope's clients see it.
type scoped struct {
	*cloud
	scope awsiid.Scope
}

func (c *cloud) EC2(_ context.Context, s awsiid.Scope) (awsiid.EC2, error) { return scoped{c, s}, nil }
func (c *cloud) IAM(_ context.Context, s awsiid.Scope) (awsiid.IAM, error) { return scoped{c, s}, nil }
func (c *cloud) EKS(_ context.Context, s awsiid.Scope) (awsiid.EKS, error) { return scoped{c, s}, nil }
func (c *cloud) Organizations(_ context.Context, s awsiid.Scope) (awsiid.Organizations, error) {
	return scoped{c, s}, nil
}
func (c *cloud) AutoScaling(_ context.Context, s awsiid.Scope) (awsiid.AutoScaling, error) {
	return scoped{c, s}, nil
}

// note remembers a call, what it was about, and who was asked as whom.
func (s scoped) note(call string, about ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	where := s.scope.Partition + "/" + s.scope.AccountID + "/" + s.scope.Region + "/" + s.scope.Role
	s.calls = append(s.calls, strings.Join(append([]string{where, call}, about...), " "))
}

// asked returns the calls since the last time, sorted, as some are concurrent.
func (c *cloud) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	slices.Sort(calls)
	return calls
}

func (s scoped) DescribeInstances(_ context.Context, in *ec2.DescribeInstancesInput, _ ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error) {
	s.note("DescribeInstances", in.InstanceIds...)
	return s.instances(s.scope, in)
}

func (s scoped) GetInstanceProfile(_ context.Context, in *iam.GetInstanceProfileInput, _ ...func(*iam.Options)) (*iam.GetInstanceProfileOutput, error) {
	s.note("GetInstanceProfile", aws.ToString(in.InstanceProfileName))
	return s.profile(s.scope, in)
}

func (s scoped) ListAccounts(_ context.Context, in *organizations.ListAccountsInput, _ ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error) {
	s.note("ListAccounts")
	return s.accounts(s.scope, in)
}

func (s scoped) ListNodegroups(_ context.Context, in *eks.ListNodegroupsInput, _ ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error) {
	s.note("ListNodegroups", aws.ToString(in.ClusterName))
	return s.nodeGroups(s.scope, in)
}

func (s scoped) DescribeNodegroup(_ context.Context, in *eks.DescribeNodegroupInput, _ ...func(*eks.Options)) (*eks.DescribeNodegroupOutput, error) {
	s.note("DescribeNodegroup", aws.ToString(in.ClusterName), aws.ToString(in.NodegroupName))
	return s.nodeGroup(s.scope, in)
}

func (s scoped) DescribeAutoScalingGroups(_ context.Context, in *autoscaling.DescribeAutoScalingGroupsInput, _ ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
	s.note("DescribeAutoScalingGroups", in.AutoScalingGroupNames...)
	return s.scalingGroup(s.scope, in)
}

// A fleet makes evidence of nodes for one collector.
type fleet struct {
	t         testing.TB
	collector *awsiid.Collector
}

// newFleet makes a collector whose clock starts at now, and goes on as that of the
// test does.
func newFleet(t testing.TB, options awsiid.Options) *fleet {
	t.Helper()
	ours, other := authorities(t)
	start := time.Now()
	options.Now = func() time.Time { return now.Add(time.Since(start)) }
	return &fleet{t, collecting(t, options, ours, other)}
}

// node returns evidence of a node: the test document after change.
func (f *fleet) node(region string, change func(*authority.Document)) evidence.Evidence {
	f.t.Helper()
	ours, other := authorities(f.t)
	signer := ours
	if region != ours.Region {
		signer = other
	}
	document := authority.NewDocument(region)
	if change != nil {
		change(&document)
	}
	got, err := f.collector.Verify(f.t.Context(), mustSign(f.t, func() ([]byte, error) { return signer.Payload(document.JSON()) }))
	if err != nil {
		f.t.Fatal(err)
	}
	return got
}

// of returns evidence of the test document's instance, but of another account.
func (f *fleet) of(account string) evidence.Evidence {
	f.t.Helper()
	return f.node(testRegion, func(d *authority.Document) { d.AccountID = account })
}

// gather gathers one fact.
func gather(t testing.TB, node evidence.Evidence, name string) evidence.Fact {
	t.Helper()
	return node.Gather(t.Context(), []string{name})[name]
}

// same compares one fact.
func same(t *testing.T, got, want evidence.Fact) {
	t.Helper()
	sameFacts(t, map[string]evidence.Fact{"it": got}, map[string]evidence.Fact{"it": want})
}

// calls compares the calls made since the last time.
func calls(t *testing.T, c *cloud, want ...string) {
	t.Helper()
	if got := c.asked(); !slices.Equal(got, want) {
		t.Errorf("called\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
