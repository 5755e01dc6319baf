package awsiid_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// clusters answers of the clusters of each account and region: cluster, node
// groups, Auto Scaling groups, instances. Lists come in pages of one.
type clusters map[string]map[string]map[string][]string

func (all clusters) cloud() *cloud {
	c := &cloud{}
	c.nodeGroups = func(_ awsiid.Scope, in *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
		groups, ok := all[aws.ToString(in.ClusterName)]
		if !ok {
			return nil, &ekstypes.ResourceNotFoundException{}
		}
		names, next := page(sortedKeys(groups), in.NextToken)
		return &eks.ListNodegroupsOutput{Nodegroups: names, NextToken: next}, nil
	}
	c.nodeGroup = func(_ awsiid.Scope, in *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) {
		var groups []ekstypes.AutoScalingGroup
		for _, name := range sortedKeys(all[*in.ClusterName][*in.NodegroupName]) {
			groups = append(groups, ekstypes.AutoScalingGroup{Name: &name})
		}
		return &eks.DescribeNodegroupOutput{Nodegroup: &ekstypes.Nodegroup{Resources: &ekstypes.NodegroupResources{AutoScalingGroups: groups}}}, nil
	}
	c.scalingGroup = func(_ awsiid.Scope, in *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
		names, next := page(in.AutoScalingGroupNames, in.NextToken)
		out := &autoscaling.DescribeAutoScalingGroupsOutput{NextToken: next}
		for _, name := range names {
			group := astypes.AutoScalingGroup{AutoScalingGroupName: &name}
			for _, nodeGroups := range all {
				for _, groups := range nodeGroups {
					for _, id := range groups[name] {
						group.Instances = append(group.Instances, astypes.Instance{InstanceId: &id})
					}
				}
			}
			out.AutoScalingGroups = append(out.AutoScalingGroups, group)
		}
		return out, nil
	}
	return c
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// page returns one item, and the token of the next page if there is one.
func page(items []string, token *string) ([]string, *string) {
	at := 0
	if token != nil {
		at, _ = strconv.Atoi(*token)
	}
	if at >= len(items) {
		return nil, nil
	}
	if at+1 == len(items) {
		return items[at:], nil
	}
	return items[at : at+1], aws.String(strconv.Itoa(at + 1))
}

// twoClusters are "blue", which has the test's instance, and "green".
func twoClusters() clusters {
	return clusters{
		"blue": {
			"workers": {"asg-1": {"i-00000001", "i-00000002"}, "asg-2": {testInstance}},
			"empty":   {},
		},
		"green": {"workers": {"asg-3": {"i-00000003"}}},
	}
}

func inCluster(clusters ...awsiid.EKSCluster) evidence.Fact {
	return evidence.Known(awsiid.ClusterMembership{Clusters: clusters})
}

func TestEKS(t *testing.T) {
	for name, tc := range map[string]struct {
		clusters []string
		want     evidence.Fact
	}{
		"in one":                {[]string{"green", "blue", "blue"}, inCluster(awsiid.EKSCluster{Name: "blue", NodeGroup: "workers", AutoScalingGroup: "asg-2"})},
		"in none":               {[]string{"green"}, inCluster()},
		"of no such cluster":    {[]string{"red"}, inCluster()},
		"in a configured one":   {[]string{"red", "blue"}, inCluster(awsiid.EKSCluster{Name: "blue", NodeGroup: "workers", AutoScalingGroup: "asg-2"})},
		"no cluster configured": {nil, evidence.Failed(errors.New("awsiid: a policy asks for it, and no clusters are configured (validate_eks_cluster_membership)"))},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := newFleet(t, awsiid.Options{Clients: twoClusters().cloud(), EKSClusters: tc.clusters})
			got := gather(t, nodes.node(testRegion, nil), "eks")
			same(t, got, tc.want)
			if got.Value != nil {
				schematest.Fact(t, "aws_iid", "eks", got.Value)
			}
		})
	}
}

// Each call, and none of them twice: nodes of one scope share what is listed for it.
func TestEKSCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		two := twoClusters()
		c := two.cloud()
		nodes := newFleet(t, awsiid.Options{Clients: c, EKSClusters: []string{"blue"}, AssumeRole: "reader"})
		const blue = "aws/123456789012/us-east-1/reader "
		load := []string{
			blue + "DescribeAutoScalingGroups asg-1 asg-2", blue + "DescribeAutoScalingGroups asg-1 asg-2",
			blue + "DescribeNodegroup blue empty", blue + "DescribeNodegroup blue workers",
			blue + "ListNodegroups blue", blue + "ListNodegroups blue",
		}
		gather(t, nodes.node(testRegion, nil), "eks")
		calls(t, c, load...)
		other := nodes.node(testRegion, func(d *authority.Document) { d.InstanceID = "i-00000002" })
		same(t, gather(t, other, "eks"), inCluster(awsiid.EKSCluster{Name: "blue", NodeGroup: "workers", AutoScalingGroup: "asg-1"}))
		calls(t, c)

		// A new node is looked for in a list that is almost new.
		two["blue"]["workers"]["asg-1"] = []string{"i-00000001", "i-00000009"}
		added := nodes.node(testRegion, func(d *authority.Document) { d.InstanceID = "i-00000009" })
		same(t, gather(t, added, "eks"), inCluster())
		calls(t, c)
		time.Sleep(11 * time.Second)
		same(t, gather(t, added, "eks"), inCluster(awsiid.EKSCluster{Name: "blue", NodeGroup: "workers", AutoScalingGroup: "asg-1"}))
		calls(t, c, load...)
		synctest.Wait()
	})
}

// Three accounts, two regions, clusters of one name: none is taken for another.
func TestEKSKeepsScopesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clusters{"shared": {"workers": {"asg": nil}}}.cloud()
		c.scalingGroup = func(s awsiid.Scope, _ *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
			var instances []astypes.Instance
			if s.AccountID == "222222222222" && s.Region == "eu-south-1" {
				instances = []astypes.Instance{{InstanceId: new(testInstance)}}
			}
			return &autoscaling.DescribeAutoScalingGroupsOutput{AutoScalingGroups: []astypes.AutoScalingGroup{{AutoScalingGroupName: new("asg"), Instances: instances}}}, nil
		}
		nodes := newFleet(t, awsiid.Options{Clients: c, EKSClusters: []string{"shared"}, AssumeRole: "reader"})
		for range 2 {
			for _, account := range []string{"111111111111", "222222222222", "333333333333"} {
				for _, region := range []string{"us-east-1", "eu-south-1"} {
					want := inCluster()
					if account == "222222222222" && region == "eu-south-1" {
						want = inCluster(awsiid.EKSCluster{Name: "shared", NodeGroup: "workers", AutoScalingGroup: "asg"})
					}
					same(t, gather(t, nodes.node(region, func(d *authority.Document) { d.AccountID = account }), "eks"), want)
				}
			}
		}
		if got := len(c.asked()); got != 6*3 {
			t.Errorf("%d calls, want 3 for each account and region", got)
		}
	})
}

// Without a role it is the server's own account that answers: documents of foreign
// accounts, however many, cost no call more than one.
func TestEKSOfForeignAccountsWithoutRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := twoClusters().cloud()
		nodes := newFleet(t, awsiid.Options{Clients: c, EKSClusters: []string{"green"}})
		for i := range 20 {
			same(t, gather(t, nodes.of(fmt.Sprintf("9%011d", i)), "eks"), inCluster())
		}
		calls(t, c, "aws//us-east-1/ DescribeAutoScalingGroups asg-3", "aws//us-east-1/ DescribeNodegroup green workers", "aws//us-east-1/ ListNodegroups green")
	})
}

func TestEKSFailures(t *testing.T) {
	down := errors.New("down")
	of := func(text string) evidence.Fact { return evidence.Failed(errors.New("awsiid: " + text)) }
	for name, tc := range map[string]struct {
		change func(*cloud)
		want   evidence.Fact
	}{
		"no list": {func(c *cloud) {
			c.nodeGroups = func(awsiid.Scope, *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) { return nil, down }
		}, of("eks:ListNodegroups of green in the server's own account, region us-east-1: down")},
		"empty list": {func(c *cloud) {
			c.nodeGroups = func(awsiid.Scope, *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) { return nil, nil }
		}, of("eks:ListNodegroups of green in the server's own account, region us-east-1: an empty answer")},
		"many node groups": {func(c *cloud) {
			c.nodeGroups = func(awsiid.Scope, *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
				return &eks.ListNodegroupsOutput{Nodegroups: make([]string, 1001)}, nil
			}
		}, of("eks:ListNodegroups of green in the server's own account, region us-east-1: the answer has more than 1000 node groups")},
		"no node group": {func(c *cloud) {
			c.nodeGroup = func(awsiid.Scope, *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) {
				return nil, down
			}
		}, of("eks:DescribeNodegroup of green/workers in the server's own account, region us-east-1: down")},
		"empty node group": {func(c *cloud) {
			c.nodeGroup = func(awsiid.Scope, *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) { return nil, nil }
		}, of("eks:DescribeNodegroup of green/workers in the server's own account, region us-east-1: an empty answer")},
		"node group gone": {func(c *cloud) {
			c.nodeGroup = func(awsiid.Scope, *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) {
				return nil, &ekstypes.ResourceNotFoundException{}
			}
		}, inCluster()},
		"many groups": {func(c *cloud) {
			c.nodeGroup = func(awsiid.Scope, *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) {
				groups := make([]ekstypes.AutoScalingGroup, 2001)
				for i := range groups {
					groups[i].Name = aws.String(fmt.Sprint(i))
				}
				return &eks.DescribeNodegroupOutput{Nodegroup: &ekstypes.Nodegroup{Resources: &ekstypes.NodegroupResources{AutoScalingGroups: groups}}}, nil
			}
		}, of("cluster green in the server's own account, region us-east-1 has more than 2000 Auto Scaling groups")},
		"no instances": {func(c *cloud) {
			c.scalingGroup = func(awsiid.Scope, *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
				return nil, down
			}
		}, of("autoscaling:DescribeAutoScalingGroups of cluster green in the server's own account, region us-east-1: down")},
		"empty instances": {func(c *cloud) {
			c.scalingGroup = func(awsiid.Scope, *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
				return nil, nil
			}
		}, of("autoscaling:DescribeAutoScalingGroups of cluster green in the server's own account, region us-east-1: an empty answer")},
		"in circles": {func(c *cloud) {
			c.scalingGroup = func(awsiid.Scope, *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
				return &autoscaling.DescribeAutoScalingGroupsOutput{NextToken: new("again")}, nil
			}
		}, of("autoscaling:DescribeAutoScalingGroups of cluster green in the server's own account, region us-east-1: the answer goes round in circles: the token of a page came twice")},
		"many instances": {func(c *cloud) {
			c.scalingGroup = func(awsiid.Scope, *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
				instances := make([]astypes.Instance, 100_001)
				for i := range instances {
					instances[i].InstanceId = aws.String(fmt.Sprint(i))
				}
				return &autoscaling.DescribeAutoScalingGroupsOutput{AutoScalingGroups: []astypes.AutoScalingGroup{{AutoScalingGroupName: new("asg-3"), Instances: instances}}}, nil
			}
		}, of("autoscaling:DescribeAutoScalingGroups of cluster green in the server's own account, region us-east-1: the answer has more than 100000 instances")},
		"instances of another group": {func(c *cloud) {
			c.scalingGroup = func(awsiid.Scope, *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
				return &autoscaling.DescribeAutoScalingGroupsOutput{AutoScalingGroups: []astypes.AutoScalingGroup{
					{AutoScalingGroupName: new("asg-4"), Instances: []astypes.Instance{{InstanceId: new(testInstance)}}},
					{Instances: []astypes.Instance{{InstanceId: new(testInstance)}}},
				}}, nil
			}
		}, inCluster()},
	} {
		t.Run(name, func(t *testing.T) {
			c := twoClusters().cloud()
			tc.change(c)
			same(t, gather(t, newFleet(t, awsiid.Options{Clients: c, EKSClusters: []string{"green"}}).node(testRegion, nil), "eks"), tc.want)
		})
	}
}

// A cluster that can't be read is no hindrance to a node that is found elsewhere,
// as a node is in one cluster only.
func TestEKSOneOfTwoFails(t *testing.T) {
	c := twoClusters().cloud()
	list := c.nodeGroups
	c.nodeGroups = func(s awsiid.Scope, in *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
		if *in.ClusterName == "green" {
			return nil, errors.New("down")
		}
		return list(s, in)
	}
	nodes := newFleet(t, awsiid.Options{Clients: c, EKSClusters: []string{"blue", "green"}})
	same(t, gather(t, nodes.node(testRegion, nil), "eks"), inCluster(awsiid.EKSCluster{Name: "blue", NodeGroup: "workers", AutoScalingGroup: "asg-2"}))
	other := nodes.node(testRegion, func(d *authority.Document) { d.InstanceID = "i-0000ffff" })
	same(t, gather(t, other, "eks"),
		evidence.Failed(errors.New("awsiid: eks:ListNodegroups of green in the server's own account, region us-east-1: down")))
}

// Nor is a cluster that doesn't answer: a node is known as soon as it is found, and
// nobody waits for the rest, or begins to ask for it.
func TestEKSOneOfManyHangs(t *testing.T) {
	const hang = 40 * time.Second
	names := []string{"blue", "green", "h1", "h2", "h3", "h4", "h5", "h6"}
	found := inCluster(awsiid.EKSCluster{Name: "blue", NodeGroup: "workers", AutoScalingGroup: "asg-2"})
	for name, tc := range map[string]struct {
		hangs []string
		blue  time.Duration // how long the node's own cluster takes
		took  time.Duration
	}{
		"one":                         {[]string{"green"}, 0, 0},
		"all but the node's":          {names[1:], 0, 0},
		"the node's answers later":    {names[1:], 9 * time.Second, 9 * time.Second},
		"the node's answers too late": {names[1:], 11 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := twoClusters().cloud()
				list := c.nodeGroups
				c.nodeGroups = func(s awsiid.Scope, in *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
					switch {
					case *in.ClusterName == "blue" && in.NextToken == nil:
						time.Sleep(tc.blue)
					case slices.Contains(tc.hangs, *in.ClusterName):
						time.Sleep(hang)
					}
					return list(s, in)
				}
				node := newFleet(t, awsiid.Options{Clients: c, EKSClusters: names}).node(testRegion, nil)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				got := node.Gather(ctx, []string{"eks"})["eks"]
				if tc.blue < 10*time.Second {
					same(t, got, found)
				} else if got.Status != evidence.StatusError {
					t.Errorf("got %+v, want an error", got)
				}
				if took := time.Since(start); took != tc.took {
					t.Errorf("took %v, want %v", took, tc.took)
				}
				time.Sleep(hang) // for what goes on in the background
				synctest.Wait()
				asked := 0
				for _, call := range c.asked() {
					if strings.Contains(call, "ListNodegroups h") {
						asked++
					}
				}
				// Four at once, of which blue and green are two.
				if slices.Contains(tc.hangs, "h1") && asked > 2 {
					t.Errorf("%d of the clusters h1 to h6 were asked for, want 2", asked)
				}
			})
		})
	}
}

// Many groups are described 50 a call, and never more than a few calls at once.
func TestEKSLargeCluster(t *testing.T) {
	all := clusters{"large": {}}
	for i := range 120 {
		all["large"][fmt.Sprintf("group-%03d", i)] = map[string][]string{fmt.Sprintf("asg-%03d", i): {fmt.Sprintf("i-%08x", i)}}
	}
	c := all.cloud()
	describe, sizes := c.nodeGroup, map[int]int{}
	var running, most atomic.Int32
	c.nodeGroup = func(s awsiid.Scope, in *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) {
		if at := running.Add(1); at > most.Load() {
			most.Store(at)
		}
		defer running.Add(-1)
		time.Sleep(time.Second)
		return describe(s, in)
	}
	scaling := c.scalingGroup
	c.scalingGroup = func(s awsiid.Scope, in *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
		sizes[len(in.AutoScalingGroupNames)]++
		return scaling(s, in)
	}
	synctest.Test(t, func(t *testing.T) {
		nodes := newFleet(t, awsiid.Options{Clients: c, EKSClusters: []string{"large"}})
		node := nodes.node(testRegion, func(d *authority.Document) { d.InstanceID = "i-00000077" })
		same(t, gather(t, node, "eks"), inCluster(awsiid.EKSCluster{Name: "large", NodeGroup: "group-119", AutoScalingGroup: "asg-119"}))
		synctest.Wait()
	})
	if most.Load() != 4 {
		t.Errorf("%d calls at once, want 4", most.Load())
	}
	if len(sizes) != 2 || sizes[50] != 100 || sizes[20] != 20 {
		t.Errorf("pages asked with so many names: %v, want 50 twice and 20 once, a page a group", sizes)
	}
}

// So many clusters of an account and region are looked at at a time.
func TestClustersAtOnce(t *testing.T) {
	const atOnce = 4
	for n, took := range map[int]time.Duration{atOnce: time.Second, atOnce + 1: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			all, names := clusters{}, []string{}
			for i := range n {
				names = append(names, fmt.Sprint("c", i))
				all[names[i]] = nil
			}
			c := all.cloud()
			list := c.nodeGroups
			c.nodeGroups = func(s awsiid.Scope, in *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
				time.Sleep(time.Second)
				return list(s, in)
			}
			nodes := newFleet(t, awsiid.Options{Clients: c, EKSClusters: names})
			node, began := nodes.node(testRegion, nil), time.Now()
			same(t, gather(t, node, "eks"), inCluster())
			if got := time.Since(began); got != took {
				t.Errorf("%d clusters: took %v, want %v", n, got, took)
			}
			synctest.Wait()
		})
	}
}
