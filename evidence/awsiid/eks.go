package awsiid

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// A clusterKey is what a cluster's membership depends on. Two accounts, or two
// regions, may have clusters of one name that have nothing to do with each other.
type clusterKey struct {
	scope   Scope
	cluster string
}

// membership is how each node of a cluster belongs to it, by instance ID.
type membership map[string][]EKSCluster

var errNoClusters = errors.New("a policy asks for it, and no clusters are configured (validate_eks_cluster_membership)")

// eks gathers the fact "eks": which of the configured clusters in the account and
// region of the node hold it. What cached memberships don't have is looked for in
// such as are almost new.
func (g *gathering) eks(ctx context.Context) (any, error) {
	if len(g.collector.options.EKSClusters) == 0 {
		return nil, errNoClusters
	}
	clusters := g.collector.clusters
	found, err := g.clustersOf(ctx, clusters.Get)
	if len(found) == 0 && err == nil {
		found, err = g.clustersOf(ctx, clusters.Recheck)
	}
	if err != nil {
		return nil, err
	}
	return ClusterMembership{Clusters: found}, nil
}

// errFound ends a search.
var errFound = errors.New("found")

// clustersOf looks the node up in the configured clusters until it is found. An
// instance is in one Auto Scaling group at most, and a group belongs to one
// cluster: then one that can't be read, or doesn't answer, changes nothing.
func (g *gathering) clustersOf(ctx context.Context, ask func(context.Context, clusterKey) (membership, error)) ([]EKSCluster, error) {
	var mu sync.Mutex
	var failures []error
	found := []EKSCluster{}
	err := forEach(ctx, maxConcurrentClusters, g.collector.options.EKSClusters, func(ctx context.Context, cluster string) error {
		members, err := ask(ctx, clusterKey{g.scope.asked(), cluster})
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			failures = append(failures, err)
		case len(members[g.claims.InstanceID]) > 0:
			found = append(found, members[g.claims.InstanceID]...)
			return errFound
		}
		return nil
	})
	if len(found) == 0 {
		slices.SortFunc(failures, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
		return found, errors.Join(append(failures, err)...)
	}
	slices.SortFunc(found, func(a, b EKSCluster) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.NodeGroup, b.NodeGroup), cmp.Compare(a.AutoScalingGroup, b.AutoScalingGroup))
	})
	return found, nil
}
