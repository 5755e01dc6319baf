package awsiid

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/batch"
	"github.com/spire-gatehouse/gatehouse/evidence/cache"
)

// Options are what a Collector is made of.
type Options struct {
	// Certificates may sign documents. Nil means those that are embedded.
	Certificates *Certificates

	// Clients reach AWS for facts. Nil means that facts can't be gathered, as
	// when documents are verified offline.
	Clients Clients

	// Partition is that of the roles to assume. Empty means that of the region.
	Partition string

	// AssumeRole is the name, with its path if it has one, of a role in the
	// account of each node, to be assumed for calls about it. Empty means the
	// server's own credentials.
	AssumeRole string

	// Organization says where its accounts are listed; nil for nowhere.
	Organization *OrganizationOptions

	// EKSClusters are the names of clusters to look for nodes in. One that is
	// there twice counts once.
	EKSClusters []string

	// Lifetimes say how long answers are kept. Those that are zero are the
	// defaults.
	Lifetimes Lifetimes

	// Now is asked for the time at each verification. Nil means time.Now.
	Now func() time.Time
}

// Lifetimes are how old the answers may be that facts come from.
type Lifetimes struct {
	InstanceProfile time.Duration // what an instance profile holds
	EKS             time.Duration // which instances a cluster has

	// Recheck is the least time between two readings of one of these, or of the
	// list of accounts.
	Recheck time.Duration
}

// DefaultLifetimes are what counts where an operator says nothing.
func DefaultLifetimes() Lifetimes {
	return Lifetimes{InstanceProfile: profileLifetime, EKS: clusterLifetime, Recheck: recheck}
}

// A Collector verifies instance identity documents, and gathers facts about their
// instances.
type Collector struct {
	certificates *Certificates
	clients      Clients
	now          func() time.Time
	options      Options

	instances *batch.Batcher[Scope, string, owned]
	profiles  *cache.Cache[profileKey, InstanceProfile]
	clusters  *cache.Cache[clusterKey, membership]

	// reading has one turn for each cluster that is being read, by scope.
	reading *turns

	// accounts has one key, as there is one organization; nil for none.
	accounts *cache.Cache[struct{}, map[string]Organization]
}

var _ evidence.Collector = (*Collector)(nil)

// New returns a Collector.
func New(options Options) (*Collector, error) {
	c := &Collector{certificates: options.Certificates, clients: options.Clients, now: options.Now, options: options}
	if c.certificates == nil {
		var err error
		if c.certificates, err = EmbeddedCertificates(); err != nil {
			return nil, err
		}
	}
	if len(c.certificates.regions) == 0 {
		return nil, errors.New("awsiid: no certificates")
	}
	if c.clients == nil {
		c.clients = noClients{}
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.reading = newTurns(maxConcurrentClusters)
	c.options.EKSClusters = slices.Compact(slices.Sorted(slices.Values(options.EKSClusters)))
	if err := c.options.check(); err != nil {
		return nil, fmt.Errorf("awsiid: %w", err)
	}
	var err error
	if c.instances, err = batch.New(instanceBatches(), c.describeInstances); err != nil {
		return nil, fmt.Errorf("awsiid: %w", err)
	}
	if err := c.makeCaches(); err != nil {
		return nil, fmt.Errorf("awsiid: %w", err)
	}
	return c, nil
}

// Close ends what is still being asked for in the background. Nobody may be using
// the collector's evidence any more.
func (c *Collector) Close() {
	c.profiles.Close()
	c.clusters.Close()
	if c.accounts != nil {
		c.accounts.Close()
	}
}

// check refuses names that AWS would not take.
func (o Options) check() error {
	if o.Partition != "" && !slices.Contains(Partitions(), o.Partition) {
		return fmt.Errorf("%.64q is not a partition", o.Partition)
	}
	if o.AssumeRole != "" && !IsRoleName(o.AssumeRole) {
		return fmt.Errorf("%.64q is not a role's name", o.AssumeRole)
	}
	if len(o.EKSClusters) > MaxClusters {
		return fmt.Errorf("%d EKS clusters, more than %d", len(o.EKSClusters), MaxClusters)
	}
	for _, name := range o.EKSClusters {
		if !IsClusterName(name) {
			return fmt.Errorf("%.64q is not an EKS cluster's name", name)
		}
	}
	return nil
}

// makeCaches makes one cache for each kind of answer that many nodes share.
func (c *Collector) makeCaches() error {
	bounds := c.options.caches()
	var err error
	if c.profiles, err = cache.New(bounds.profiles, c.loadProfile); err != nil {
		return err
	}
	if c.clusters, err = cache.New(bounds.clusters, c.loadCluster); err != nil {
		return err
	}
	organization := c.options.Organization
	if organization == nil {
		return nil
	}
	if err := organization.check(); err != nil {
		return fmt.Errorf("organization: %w", err)
	}
	if c.accounts, err = cache.New(bounds.accounts, c.loadAccounts); err != nil {
		return fmt.Errorf("organization: %w", err)
	}
	return nil
}

// caches are what the caches keep, and for how long.
type caches struct{ profiles, clusters, accounts cache.Options }

func (o Options) caches() caches {
	defaults := DefaultLifetimes()
	again := cmp.Or(o.Lifetimes.Recheck, defaults.Recheck)
	lasting := func(name string, lifetime, load time.Duration, size int) cache.Options {
		return cache.Options{
			Name: name, Lifetime: lifetime, Recheck: again, Retry: min(retryAfter, again), Stale: lifetime,
			LoadTimeout: load, Size: size, Waiting: maxWaiting,
		}
	}
	all := caches{
		profiles: lasting(factInstanceProfile, cmp.Or(o.Lifetimes.InstanceProfile, defaults.InstanceProfile), profileLoadTimeout, maxProfiles),
		clusters: lasting(factEKS, cmp.Or(o.Lifetimes.EKS, defaults.EKS), clusterLoadTimeout, maxMemberships),
	}
	if o.Organization != nil {
		all.accounts = lasting(factOrganization, o.Organization.TTL, accountsLoadTimeout, 1)
	}
	return all
}

// scopeOf is where calls about a node go.
func (c *Collector) scopeOf(claims Claims) Scope {
	scope := Scope{Partition: c.options.Partition, AccountID: claims.AccountID, Region: claims.Region, Role: c.options.AssumeRole}
	if scope.Partition == "" {
		scope.Partition = claims.Partition
	}
	return scope
}
