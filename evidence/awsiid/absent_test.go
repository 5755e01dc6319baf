package awsiid_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// EC2 may not know an instance that it has just launched: it is asked again, for a
// while, and only then.
func TestAbsentInstance(t *testing.T) {
	here := answer(types.Instance{InstanceId: new(testInstance)})
	for name, tc := range map[string]struct {
		pending string                         // now is 03:10:00
		answers []*ec2.DescribeInstancesOutput // the last one for ever; nil is an error
		timeout time.Duration
		status  evidence.Status
		calls   int
		took    time.Duration
	}{
		"there at once":       {"2026-01-02T03:09:00Z", []*ec2.DescribeInstancesOutput{here}, time.Minute, evidence.StatusKnown, 1, 0},
		"there soon":          {"2026-01-02T03:09:00Z", []*ec2.DescribeInstancesOutput{answer(), here}, time.Minute, evidence.StatusKnown, 2, 2 * time.Second},
		"there later":         {"2026-01-02T03:09:00Z", []*ec2.DescribeInstancesOutput{answer(), answer(), here}, time.Minute, evidence.StatusKnown, 3, 7 * time.Second},
		"never there":         {"2026-01-02T03:09:00Z", []*ec2.DescribeInstancesOutput{answer()}, time.Minute, evidence.StatusAbsent, 3, 7 * time.Second},
		"our clock is behind": {"2026-01-02T03:14:00Z", []*ec2.DescribeInstancesOutput{answer(), here}, time.Minute, evidence.StatusKnown, 2, 2 * time.Second},
		"just young":          {"2026-01-02T03:05:01Z", []*ec2.DescribeInstancesOutput{answer(), here}, time.Minute, evidence.StatusKnown, 2, 2 * time.Second},
		"not young":           {"2026-01-02T03:05:00Z", []*ec2.DescribeInstancesOutput{answer(), here}, time.Minute, evidence.StatusAbsent, 1, 0},
		"no time for all":     {"2026-01-02T03:09:00Z", []*ec2.DescribeInstancesOutput{answer()}, 6 * time.Second, evidence.StatusAbsent, 2, 2 * time.Second},
		"no time":             {"2026-01-02T03:09:00Z", []*ec2.DescribeInstancesOutput{answer()}, 2 * time.Second, evidence.StatusAbsent, 1, 0},
		"then down":           {"2026-01-02T03:09:00Z", []*ec2.DescribeInstancesOutput{answer(), nil}, time.Minute, evidence.StatusError, 2, 2 * time.Second},
		"down at once":        {"2026-01-02T03:09:00Z", []*ec2.DescribeInstancesOutput{nil}, time.Minute, evidence.StatusError, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answers := tc.answers
				c := &cloud{instances: func(awsiid.Scope, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
					next := answers[0]
					if len(answers) > 1 {
						answers = answers[1:]
					}
					if next == nil {
						return nil, errors.New("down")
					}
					return next, nil
				}}
				node := newFleet(t, awsiid.Options{Clients: c}).node(testRegion, func(d *authority.Document) { d.PendingTime = tc.pending })
				ctx, cancel := context.WithTimeout(t.Context(), tc.timeout)
				defer cancel()
				start := time.Now()
				got := node.Gather(ctx, []string{"instance"})["instance"]
				if got.Status != tc.status || len(c.asked()) != tc.calls || time.Since(start) != tc.took {
					t.Errorf("got %+v after %v; want %s after %d calls and %v", got, time.Since(start), tc.status, tc.calls, tc.took)
				}
			})
		})
	}
}
