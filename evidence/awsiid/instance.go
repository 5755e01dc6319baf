package awsiid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// findInstance gets what the fact "instance" says. EC2 may not know an instance
// that was just launched everywhere yet, so that for a young one it is asked again
// before it is absent.
func (e *Evidence) findInstance(ctx context.Context) (Instance, error) {
	for _, wait := range absentPauses() {
		instance, err := e.describeInstance(ctx)
		if !errors.Is(err, errAbsent) || e.collector.now().Sub(e.claims.PendingTime) >= youngInstance {
			return instance, err
		}
		if !pause(ctx, wait) {
			return Instance{}, errAbsent
		}
	}
	return e.describeInstance(ctx)
}

// pause waits, and reports whether ctx leaves time for that.
func pause(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// describeInstance asks for the instance. It asks by ID alone, as a filter on the
// state would hide an instance that is stopped, and is slow.
func (e *Evidence) describeInstance(ctx context.Context) (Instance, error) {
	id := e.claims.InstanceID
	fail := func(err error) (Instance, error) {
		return Instance{}, failed("ec2:DescribeInstances", id, e.scope, err)
	}
	client, err := e.collector.clients.EC2(ctx, e.scope)
	if err != nil {
		return fail(err)
	}
	out, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	switch {
	case hasCode(err, "InvalidInstanceID.NotFound"):
		return Instance{}, errAbsent
	case err != nil:
		return fail(err)
	case out == nil:
		return fail(errEmptyAnswer)
	}
	instance, err := onlyInstance(out, id, e.scope.AccountID)
	if err != nil && !errors.Is(err, errAbsent) {
		return fail(err)
	}
	return instance, err
}

// onlyInstance makes sure that an answer is about one instance, and which.
func onlyInstance(out *ec2.DescribeInstancesOutput, id, account string) (Instance, error) {
	var found []Instance
	for _, reservation := range out.Reservations {
		for _, described := range reservation.Instances {
			if got := aws.ToString(described.InstanceId); got != id {
				return Instance{}, fmt.Errorf("the answer is about another instance, %.64q", got)
			}
			if owner := aws.ToString(reservation.OwnerId); owner != "" && owner != account {
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
		return Instance{}, errAbsent
	}
	return found[0], nil
}
