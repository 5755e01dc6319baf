package awsiid

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/eks"
)

// loadCluster lists the nodes of a cluster: those in the Auto Scaling groups of
// its managed node groups. A cluster that isn't there has none.
func (c *Collector) loadCluster(ctx context.Context, key clusterKey) (membership, error) {
	give, err := c.reading.take(ctx, key.scope)
	if err != nil {
		return nil, fmt.Errorf("cluster %s in %s: %d others are being read: %w", key.cluster, key.scope, maxConcurrentClusters, err)
	}
	defer give()
	nodeGroups, err := c.nodeGroups(ctx, key)
	if err != nil {
		return nil, failed("eks:ListNodegroups", key.cluster, key.scope, err)
	}
	var mu sync.Mutex
	owners := map[string]EKSCluster{} // by Auto Scaling group
	err = forEach(ctx, maxConcurrentCalls, nodeGroups, func(ctx context.Context, nodeGroup string) error {
		names, err := c.scalingGroups(ctx, key, nodeGroup)
		if err != nil {
			return failed("eks:DescribeNodegroup", key.cluster+"/"+nodeGroup, key.scope, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, name := range names {
			owners[name] = EKSCluster{Name: key.cluster, NodeGroup: nodeGroup, AutoScalingGroup: name}
		}
		if len(owners) > maxScalingGroups {
			return fmt.Errorf("cluster %s in %s has more than %d Auto Scaling groups", key.cluster, key.scope, maxScalingGroups)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	nodes := membership{}
	for names := range slices.Chunk(slices.Sorted(maps.Keys(owners)), groupsPerCall) {
		if err := c.addNodes(ctx, key.scope, names, owners, nodes); err != nil {
			return nil, failed("autoscaling:DescribeAutoScalingGroups", "cluster "+key.cluster, key.scope, err)
		}
	}
	return nodes, nil
}

// nodeGroups lists the names of a cluster's managed node groups.
func (c *Collector) nodeGroups(ctx context.Context, key clusterKey) ([]string, error) {
	client, err := c.clients.EKS(ctx, key.scope)
	if err != nil {
		return nil, err
	}
	var names []string
	err = eachPage(func(token *string) (*string, error) {
		out, err := client.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: &key.cluster, NextToken: token})
		switch {
		case err != nil:
			return nil, err
		case out == nil:
			return nil, errEmptyAnswer
		}
		names = append(names, out.Nodegroups...)
		if len(names) > maxNodeGroups {
			return nil, fmt.Errorf("the answer has more than %d node groups", maxNodeGroups)
		}
		return out.NextToken, nil
	})
	if hasCode(err, notFound) {
		return nil, nil
	}
	return names, err
}

// notFound is EKS's error code for clusters and node groups that aren't there.
const notFound = "ResourceNotFoundException"

// scalingGroups lists the names of a node group's Auto Scaling groups. A node group
// that was deleted since it was listed has none.
func (c *Collector) scalingGroups(ctx context.Context, key clusterKey, nodeGroup string) ([]string, error) {
	client, err := c.clients.EKS(ctx, key.scope)
	if err != nil {
		return nil, err
	}
	out, err := client.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &key.cluster, NodegroupName: &nodeGroup})
	switch {
	case hasCode(err, notFound):
		return nil, nil
	case err != nil:
		return nil, err
	case out == nil:
		return nil, errEmptyAnswer
	case out.Nodegroup == nil || out.Nodegroup.Resources == nil:
		return nil, nil
	}
	var names []string
	for _, group := range out.Nodegroup.Resources.AutoScalingGroups {
		if name := aws.ToString(group.Name); name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// addNodes adds the instances of named Auto Scaling groups to nodes.
func (c *Collector) addNodes(ctx context.Context, scope Scope, names []string, owners map[string]EKSCluster, nodes membership) error {
	client, err := c.clients.AutoScaling(ctx, scope)
	if err != nil {
		return err
	}
	return eachPage(func(token *string) (*string, error) {
		out, err := client.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: names, NextToken: token})
		switch {
		case err != nil:
			return nil, err
		case out == nil:
			return nil, errEmptyAnswer
		}
		for _, group := range out.AutoScalingGroups {
			owner, ok := owners[aws.ToString(group.AutoScalingGroupName)]
			if !ok {
				continue // not one of the cluster's: its nodes are not either
			}
			for _, instance := range group.Instances {
				if id := aws.ToString(instance.InstanceId); id != "" && !slices.Contains(nodes[id], owner) {
					nodes[id] = append(nodes[id], owner)
				}
			}
			if len(nodes) > maxNodes {
				return nil, fmt.Errorf("the answer has more than %d instances", maxNodes)
			}
		}
		return out.NextToken, nil
	})
}
