package awsiid

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
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
// region of the node hold it. It is looked for where that costs nothing first, then
// in what must be read. What is in none of these is looked for in readings that are
// no older than the question.
func (g *gathering) eks(ctx context.Context) (any, error) {
	all := len(g.collector.options.EKSClusters)
	if all == 0 {
		return nil, errNoClusters
	}
	came, clusters := time.Now(), g.collector.clusters
	holds := func(members membership) bool { return len(members[g.claims.InstanceID]) > 0 }
	for _, cluster := range g.collector.options.EKSClusters {
		if members, ok := clusters.Peek(ctx, clusterKey{g.scope.asked(), cluster}, holds); ok {
			return ClusterMembership{Clusters: slices.SortedFunc(slices.Values(members[g.claims.InstanceID]), compareClusters)}, nil
		}
	}
	for _, step := range []struct {
		atOnce int
		look   lookup
	}{
		// In the order of their names, and few at once, although those that are
		// read wait for their turns by themselves: so that each node reads the
		// same ones first.
		{maxConcurrentClusters, clusters.Get},
		{all, func(ctx context.Context, key clusterKey) (membership, error) {
			return clusters.Since(ctx, key, came)
		}},
	} {
		found, err := g.clustersOf(ctx, step.atOnce, step.look)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return ClusterMembership{Clusters: found}, nil
		}
	}
	return ClusterMembership{Clusters: []EKSCluster{}}, nil
}

// A lookup gets the membership of a cluster.
type lookup func(context.Context, clusterKey) (membership, error)

// errFound ends a search.
var errFound = errors.New("found")

// clustersOf looks the node up in the configured clusters until it is found. An
// instance is in one Auto Scaling group at most, and a group belongs to one
// cluster: then one that can't be read, or doesn't answer, changes nothing.
func (g *gathering) clustersOf(ctx context.Context, atOnce int, look lookup) ([]EKSCluster, error) {
	var mu sync.Mutex
	var failures []error
	var found []EKSCluster
	err := forEach(ctx, atOnce, g.collector.options.EKSClusters, func(ctx context.Context, cluster string) error {
		members, err := look(ctx, clusterKey{g.scope.asked(), cluster})
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
		return nil, errors.Join(append(failures, err)...)
	}
	slices.SortFunc(found, compareClusters)
	return found, nil
}

func compareClusters(a, b EKSCluster) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.NodeGroup, b.NodeGroup), cmp.Compare(a.AutoScalingGroup, b.AutoScalingGroup))
}
