package awsiid_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/evidence/evidencetest"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

const latency = 50 * time.Millisecond

func memberID(i int) string { return fmt.Sprintf("i-%017x", i+1) }

// aFleet is a cloud of instances with five profiles, in which each call takes a
// while. It doesn't know some of them, and tells as EC2 does.
func aFleet(unknown ...string) *cloud {
	c := &cloud{}
	c.instances = func(_ awsiid.Scope, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
		time.Sleep(latency)
		out := &ec2.DescribeInstancesOutput{}
		var bad []string
		for _, id := range slices.Backward(in.InstanceIds) { // in no order
			if slices.Contains(unknown, id) {
				bad = append(bad, id)
			}
			arn := fmt.Sprintf("arn:aws:iam::123456789012:instance-profile/p%d", id[len(id)-1]%5)
			out.Reservations = append(out.Reservations, types.Reservation{OwnerId: new("123456789012"), Instances: []types.Instance{{
				InstanceId: &id, Tags: []types.Tag{{Key: new("Name"), Value: &id}}, IamInstanceProfile: &types.IamInstanceProfile{Arn: &arn},
			}}})
		}
		switch len(bad) {
		case 0:
			return out, nil
		case 1:
			return nil, &smithy.GenericAPIError{Code: "InvalidInstanceID.NotFound", Message: "The instance ID '" + bad[0] + "' does not exist"}
		}
		return nil, &smithy.GenericAPIError{Code: "InvalidInstanceID.NotFound", Message: "The instance IDs '" + strings.Join(bad, ", ") + "' do not exist"}
	}
	c.profile = func(_ awsiid.Scope, in *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
		time.Sleep(latency)
		return &iam.GetInstanceProfileOutput{InstanceProfile: &iamtypes.InstanceProfile{Roles: []iamtypes.Role{{RoleName: in.InstanceProfileName}}}}, nil
	}
	return c
}

// payloads are what n nodes of an account and region send.
func payloads(t *testing.T, n int) [][]byte {
	t.Helper()
	ours, _ := authorities(t)
	all := make([][]byte, n)
	for i := range all {
		document := authority.NewDocument(testRegion)
		document.InstanceID, document.PendingTime = memberID(i), "2026-01-02T02:00:00Z"
		all[i] = mustSign(t, func() ([]byte, error) { return ours.Payload(document.JSON()) })
	}
	return all
}

// storm has nodes attest within a time, and compares what each is told.
func storm(t *testing.T, c *cloud, payloads [][]byte, within time.Duration, want func(i int) evidence.Status) {
	t.Helper()
	nodes := newFleet(t, awsiid.Options{Clients: c})
	made := make([]evidence.Evidence, len(payloads))
	for i, payload := range payloads {
		node, err := nodes.collector.Verify(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		made[i] = node
	}
	var all sync.WaitGroup
	for i, node := range made {
		all.Go(func() {
			got := node.Gather(t.Context(), []string{"instance", "instance_profile"})
			wanted := evidence.StatusKnown
			if want != nil {
				wanted = want(i)
			}
			instance, _ := got["instance"].Value.(awsiid.Instance)
			profile, _ := got["instance_profile"].Value.(awsiid.InstanceProfile)
			if got["instance"].Status != wanted || got["instance_profile"].Status != wanted {
				t.Errorf("node %d: got %+v, want %s", i, got, wanted)
			} else if id := memberID(i); wanted == evidence.StatusKnown && (instance.ID != id || instance.Tags["Name"] != id || profile.ARN != instance.InstanceProfileARN) {
				t.Errorf("node %d: got %+v", i, got)
			}
		})
		time.Sleep(within / time.Duration(len(made)))
	}
	all.Wait()
	synctest.Wait()
}

func inStorm(t *testing.T, name string, f func(t *testing.T)) {
	authorities(t) // made outside, as the bubble's time would stand still
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// A thousand nodes of an account and region with five profiles cost 20 calls.
func TestStorm(t *testing.T) {
	thousand := payloads(t, 1000)
	for name, within := range map[string]time.Duration{"all at once": 0, "in a second": time.Second} {
		inStorm(t, name, func(t *testing.T) {
			c := aFleet()
			storm(t, c, thousand, within, nil)
			if got := c.asked(); len(got) > 20 {
				t.Errorf("%d calls: %s", len(got), strings.Join(got, "\n"))
			}
		})
	}
}

// Instances that EC2 doesn't know are absent, and no other is the worse for it.
func TestStormWithBadInstances(t *testing.T) {
	for name, unknown := range map[string][]string{"one": {memberID(30)}, "several": {memberID(30), memberID(31), memberID(77)}} {
		inStorm(t, name, func(t *testing.T) {
			c := aFleet(unknown...)
			storm(t, c, payloads(t, 100), 0, func(i int) evidence.Status {
				if slices.Contains(unknown, memberID(i)) {
					return evidence.StatusAbsent
				}
				return evidence.StatusKnown
			})
			if got := c.asked(); len(got) > 8 {
				t.Errorf("%d calls", len(got))
			}
		})
	}
}

// What EC2 says of another instance is nobody's.
func TestStormOfStrangers(t *testing.T) {
	inStorm(t, "all", func(t *testing.T) {
		c := aFleet()
		honest := c.instances
		c.instances = func(s awsiid.Scope, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
			out, err := honest(s, in)
			out.Reservations[0].Instances[0].InstanceId = new("i-0000ffff")
			return out, err
		}
		storm(t, c, payloads(t, 50), 0, func(int) evidence.Status { return evidence.StatusError })
	})
}

// An error that names no instance is everybody's, and no reason to ask for each.
func TestStormThrottled(t *testing.T) {
	inStorm(t, "all", func(t *testing.T) {
		c := &cloud{instances: func(awsiid.Scope, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
			time.Sleep(latency)
			return nil, &smithy.GenericAPIError{Code: "RequestLimitExceeded", Message: "Request limit exceeded."}
		}}
		storm(t, c, payloads(t, 100), 0, func(int) evidence.Status { return evidence.StatusError })
		if got := c.asked(); len(got) != 2 {
			t.Errorf("%d calls, want 2", len(got))
		}
	})
}

// Four clusters that hang don't hide a fifth that is known, even to one who must
// ask for them.
func TestEKSKnownClusterBehindHangingOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := twoClusters()
		for _, name := range []string{"a1", "a2", "a3", "a4"} { // before blue, by name
			all[name] = map[string]map[string][]string{}
		}
		c := all.cloud()
		list, hang := c.nodeGroups, false
		c.nodeGroups = func(s awsiid.Scope, in *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
			if hang && strings.HasPrefix(*in.ClusterName, "a") {
				time.Sleep(time.Hour)
			}
			return list(s, in)
		}
		nodes := newFleet(t, awsiid.Options{Clients: c, EKSClusters: []string{"a1", "a2", "a3", "a4", "blue"}, Lifetimes: awsiid.Lifetimes{EKS: time.Minute}})
		found := inCluster(awsiid.EKSCluster{Name: "blue", NodeGroup: "workers", AutoScalingGroup: "asg-2"})
		same(t, gather(t, nodes.node(testRegion, nil), "eks"), found)
		synctest.Wait() // for all clusters to be read
		hang = true
		time.Sleep(50 * time.Second) // they are renewed
		began := time.Now()
		same(t, gather(t, nodes.node(testRegion, nil), "eks"), found)
		time.Sleep(9 * time.Second)
		same(t, gather(t, nodes.node(testRegion, nil), "eks"), found)
		if took := time.Since(began); took != 9*time.Second {
			t.Errorf("took %v beside the 9 s that were slept", took-9*time.Second)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
	})
}

const throttledAnswer = `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error></Errors><RequestID>r</RequestID></Response>`

// Each call of the SDK is reported, with its tries that were throttled; and a call
// that is throttled is tried more often than one that fails.
func TestSDKClientsReportCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		answer   string
		status   int
		failures int // before it goes well
		want     string
	}{
		"well":                 {describeAnswer, 200, 0, "ec2:DescribeInstances 0 true"},
		"throttled, then well": {throttledAnswer, 503, 4, "ec2:DescribeInstances 4 true"},
		"denied":               {deniedAnswer, 403, 100, "ec2:DescribeInstances 0 false"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			clients := sdkClients(t, awsiid.Credentials{}, func(w http.ResponseWriter, r *http.Request) {
				if asked++; asked > tc.failures {
					_, _ = w.Write([]byte(describeAnswer))
					return
				}
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.answer))
			}, "AWS_MAX_ATTEMPTS=")
			obs := &evidencetest.Heard{}
			attested(t, clients).Gather(evidence.WithObserver(context.Background(), obs), []string{"instance"})
			if len(obs.Calls) != 1 || obs.Calls[0].Elapsed <= 0 {
				t.Fatalf("heard of %+v", obs.Calls)
			}
			call := obs.Calls[0]
			if got := fmt.Sprint(call.API, " ", call.Throttled, " ", call.Err == nil); got != tc.want {
				t.Errorf("heard of %s (%v), want %s", got, call.Err, tc.want)
			}
			var apiError smithy.APIError
			if call.Err != nil && !errors.As(call.Err, &apiError) {
				t.Errorf("error %v", call.Err)
			}
		})
	}
}
