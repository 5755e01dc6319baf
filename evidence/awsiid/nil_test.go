package awsiid_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// answers are one of each kind.
type answers struct {
	Instances    *ec2.DescribeInstancesOutput
	Profile      *iam.GetInstanceProfileOutput
	Accounts     *organizations.ListAccountsOutput
	NodeGroups   *eks.ListNodegroupsOutput
	NodeGroup    *eks.DescribeNodegroupOutput
	ScalingGroup *autoscaling.DescribeAutoScalingGroupsOutput
}

func (a *answers) cloud() *cloud {
	return &cloud{
		instances: func(awsiid.Scope, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
			return a.Instances, nil
		},
		profile: func(awsiid.Scope, *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
			return a.Profile, nil
		},
		accounts: func(awsiid.Scope, *organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			return a.Accounts, nil
		},
		nodeGroups: func(awsiid.Scope, *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
			return a.NodeGroups, nil
		},
		nodeGroup: func(awsiid.Scope, *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) {
			return a.NodeGroup, nil
		},
		scalingGroup: func(awsiid.Scope, *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
			return a.ScalingGroup, nil
		},
	}
}

// fill gives every slice one element, every string a text and every pointer
// something to point to, as deep as it goes.
func fill(value reflect.Value, depth int) {
	if depth == 0 || !value.CanSet() {
		return
	}
	switch value.Kind() {
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		if value.Type() != reflect.TypeFor[*time.Time]() {
			fill(value.Elem(), depth-1)
		}
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fill(value.Index(0), depth-1)
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).Type.Kind() != reflect.Interface {
				fill(value.Field(i), depth-1)
			}
		}
	case reflect.String:
		value.SetString("x")
	}
}

// filled are answers of which nothing is missing, and that are about the node.
func filled() *answers {
	a := &answers{}
	fill(reflect.ValueOf(a).Elem(), 12)
	instance := &a.Instances.Reservations[0].Instances[0]
	instance.InstanceId, instance.IamInstanceProfile.Arn = new(testInstance), new(profileARN)
	a.Instances.Reservations[0].OwnerId = new(member)
	a.Profile.InstanceProfile.Arn = new(profileARN)
	a.Accounts.Accounts[0].Id = new(member)
	a.Instances.NextToken, a.Accounts.NextToken, a.NodeGroups.NextToken, a.ScalingGroup.NextToken = nil, nil, nil, nil
	a.ScalingGroup.AutoScalingGroups[0].Instances[0].InstanceId = new(testInstance)
	return a
}

// A gatherer gathers all facts from answers, and refuses panics. All its collectors
// get one payload, as signing takes longer than all the rest.
type gatherer struct {
	certificates *awsiid.Certificates
	payload      []byte
}

func newGatherer(t *testing.T) gatherer {
	t.Helper()
	ours, _ := authorities(t)
	return gatherer{
		certificates: certificatesOf(t, ours),
		payload:      mustSign(t, func() ([]byte, error) { return ours.Payload(authority.NewDocument(testRegion).JSON()) }),
	}
}

func (g gatherer) all(t *testing.T, a *answers) map[string]evidence.Fact {
	t.Helper()
	collector, err := awsiid.New(awsiid.Options{
		Certificates: g.certificates, Clients: a.cloud(), Organization: &fromAPI, EKSClusters: []string{"x"},
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	node, err := collector.Verify(t.Context(), g.payload)
	if err != nil {
		t.Fatal(err)
	}
	facts := node.Gather(t.Context(), collector.FactNames())
	for name, fact := range facts {
		if fact.Err != nil && strings.Contains(fact.Err.Error(), "panic") {
			t.Errorf("%s: %v", name, fact.Err)
		}
	}
	return facts
}

// Whatever AWS leaves out, nothing panics: each pointer and each slice of all
// answers in turn.
func TestGatherWithoutEachPart(t *testing.T) {
	g := newGatherer(t)
	for name, fact := range g.all(t, filled()) {
		if fact.Status != evidence.StatusKnown {
			t.Errorf("of full answers, %s: %+v", name, fact)
		}
	}
	count := len(partsOf(reflect.ValueOf(filled()).Elem()))
	if count < 300 {
		t.Fatalf("found %d parts", count)
	}
	for at := range count {
		a := filled()
		part := partsOf(reflect.ValueOf(a).Elem())[at]
		what := part.Type().String()
		part.SetZero()
		g.all(t, a)
		if t.Failed() {
			t.Fatalf("without part %d, a %s", at, what)
		}
	}
}

// Answers that are nothing but zeros, to each depth.
func TestGatherOfZeros(t *testing.T) {
	g := newGatherer(t)
	for depth := range 12 {
		a := &answers{}
		fill(reflect.ValueOf(a).Elem(), depth)
		g.all(t, a)
	}
}

// partsOf lists the pointers and slices in a value.
func partsOf(value reflect.Value) []reflect.Value {
	var parts []reflect.Value
	if !value.CanSet() {
		return nil
	}
	switch value.Kind() {
	case reflect.Pointer:
		if value.IsNil() {
			return nil
		}
		parts = append(parts, value)
		if value.Type() != reflect.TypeFor[*time.Time]() {
			parts = append(parts, partsOf(value.Elem())...)
		}
	case reflect.Slice:
		if value.Len() == 0 {
			return nil
		}
		parts = append(parts, value)
		for i := range value.Len() {
			parts = append(parts, partsOf(value.Index(i))...)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			parts = append(parts, partsOf(value.Field(i))...)
		}
	}
	return parts
}
