package awsiid

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
)

// owned is an instance, and the account that it is in as EC2 says.
type owned struct {
	Instance
	owner string
}

// describeInstances asks EC2 for instances. It asks by ID alone, as a filter on the
// state would hide those that are stopped, and is slow.
func (c *Collector) describeInstances(ctx context.Context, scope Scope, ids []string) (map[string]batch.Result[owned], error) {
	client, err := c.clients.EC2(ctx, scope)
	if err != nil {
		return nil, err
	}
	answer := make(map[string]batch.Result[owned], len(ids))
	err = eachPage(func(token *string) (*string, error) {
		out, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids, NextToken: token})
		switch {
		case err != nil:
			return nil, badInstances(err)
		case out == nil:
			return nil, errEmptyAnswer
		}
		for _, reservation := range out.Reservations {
			for _, described := range reservation.Instances {
				addInstance(answer, described, reservation.OwnerId)
			}
		}
		return out.NextToken, nil
	})
	return answer, err
}

// addInstance adds what EC2 says of one instance. Two answers are none.
func addInstance(answer map[string]batch.Result[owned], described types.Instance, owner *string) {
	id := aws.ToString(described.InstanceId)
	if _, twice := answer[id]; twice {
		answer[id] = batch.Result[owned]{Err: errors.New("the answer has the instance twice")}
		return
	}
	instance, err := convertInstance(described, owner)
	if err != nil {
		err = fmt.Errorf("the answer has %w", err)
	}
	answer[id] = batch.Result[owned]{Value: owned{instance, aws.ToString(owner)}, Err: err}
}

// instanceIDs finds the IDs in a message of EC2's: "The instance ID 'i-…' does not
// exist", "The instance IDs 'i-…, i-…' do not exist", and "Invalid id: "i-…"".
var instanceIDs = regexp.MustCompile(`\bi-[0-9a-f]{8,17}\b`)

// badInstances tells the errors that EC2 gives to a whole call because of some of
// its instances. What it says doesn't exist is absent.
func badInstances(err error) error {
	var apiError smithy.APIError
	if !errors.As(err, &apiError) || !strings.HasPrefix(apiError.ErrorCode(), "InvalidInstanceID.") {
		return err
	}
	bad := &batch.BadIDs[string]{IDs: instanceIDs.FindAllString(apiError.ErrorMessage(), -1), Err: err}
	if apiError.ErrorCode() == "InvalidInstanceID.NotFound" {
		bad.Err = errAbsent
	}
	return bad
}
