package awsiid

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// A Scope is where a node lives: what each AWS client, and later each cached
// answer, belongs to.
type Scope struct {
	Partition string
	AccountID string
	Region    string
}

// EC2 is the part of EC2's API that facts come from.
type EC2 interface {
	DescribeInstances(context.Context, *ec2.DescribeInstancesInput, ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error)
}

// Clients give out clients for a scope.
type Clients interface {
	EC2(context.Context, Scope) (EC2, error)
}

var _ EC2 = (*ec2.Client)(nil)

// instance gathers the fact "instance". It asks by ID alone, as a filter on the
// state would hide an instance that is stopped, and is slow.
func (e *Evidence) instance(ctx context.Context) evidence.Fact {
	scope := Scope{Partition: e.claims.Partition, AccountID: e.claims.AccountID, Region: e.claims.Region}
	instance, err := describeInstance(ctx, e.clients, scope, e.claims.InstanceID)
	switch {
	case errors.Is(err, errNoInstance):
		return evidence.Absent()
	case err != nil:
		return evidence.Failed(fmt.Errorf("awsiid: ec2:DescribeInstances of %s in account %s, region %s: %w",
			e.claims.InstanceID, scope.AccountID, scope.Region, err))
	}
	return evidence.Known(instance)
}

// errNoInstance: EC2 says that there is no such instance.
var errNoInstance = errors.New("no such instance")

// describeInstance asks for one instance, and makes sure that the answer is
// about that one.
func describeInstance(ctx context.Context, clients Clients, scope Scope, id string) (Instance, error) {
	client, err := clients.EC2(ctx, scope)
	if err != nil {
		return Instance{}, err
	}
	out, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	var apiError smithy.APIError
	if errors.As(err, &apiError) && apiError.ErrorCode() == "InvalidInstanceID.NotFound" {
		return Instance{}, errNoInstance
	}
	if err != nil {
		return Instance{}, err
	}
	if out == nil {
		return Instance{}, errors.New("an empty answer")
	}
	var found []Instance
	for _, reservation := range out.Reservations {
		for _, described := range reservation.Instances {
			if got := aws.ToString(described.InstanceId); got != id {
				return Instance{}, fmt.Errorf("the answer is about another instance, %.64q", got)
			}
			if owner := aws.ToString(reservation.OwnerId); owner != "" && owner != scope.AccountID {
				return Instance{}, fmt.Errorf("the answer is about an instance of another account, %.64q", owner)
			}
			instance, err := convertInstance(described, reservation.OwnerId)
			if err != nil {
				return Instance{}, fmt.Errorf("the answer has %w", err)
			}
			found = append(found, instance)
			if len(found) > 1 {
				return Instance{}, errors.New("the answer has the instance twice")
			}
		}
	}
	if len(found) == 0 {
		return Instance{}, errNoInstance
	}
	return found[0], nil
}
