package attestor

import (
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// The block cache says how old answers may be that a decision rests on. Policies
// don't see it: a decision is a function of the facts, not of their age.

// cacheTimes reads one block.
type cacheTimes struct{ block *plugindata.Object }

func readCacheTimes(o *plugindata.Object) cacheTimes {
	block, _ := o.Object("cache")
	return cacheTimes{block}
}

// time reads one key; zero where there is no block.
func (c cacheTimes) time(key string, otherwise time.Duration) time.Duration {
	if c.block == nil {
		return otherwise
	}
	d, ok := c.block.Duration(key)
	switch {
	case !ok:
		return otherwise
	case d < minCacheTime || d > maxCacheTime:
		c.block.Problem(key, "must be between %v and %v", minCacheTime, maxCacheTime)
	}
	return d
}

// order reports a time that must not be shorter than another.
func (c cacheTimes) order(key string, long time.Duration, than string, short time.Duration) {
	if long >= short {
		return
	}
	if !c.block.Has(key) {
		key, than, long, short = than, key, short, long
		c.block.Problem(key, "must not be longer than %s, which is %v", than, short)
		return
	}
	c.block.Problem(key, "must not be shorter than %s, which is %v", than, short)
}

// awsLifetimes reads the block cache of aws_iid. How long a list of accounts lives
// is org_account_map_ttl, as for SPIRE's built-in plugin.
func awsLifetimes(o *plugindata.Object) awsiid.Lifetimes {
	c, l := readCacheTimes(o), awsiid.DefaultLifetimes()
	l.InstanceProfile = c.time("instance_profile", l.InstanceProfile)
	l.EKS = c.time("eks", l.EKS)
	l.Recheck = c.time("recheck", l.Recheck)
	c.order("instance_profile", l.InstanceProfile, "recheck", l.Recheck)
	c.order("eks", l.EKS, "recheck", l.Recheck)
	if l.Recheck > minOrgAccountMapTTL {
		c.block.Problem("recheck", "must not be longer than %v, the least org_account_map_ttl", minOrgAccountMapTTL)
	}
	return l
}

// azureLifetimes reads the block cache of azure_msi.
func azureLifetimes(o *plugindata.Object) azuremsi.Lifetimes {
	c, l := readCacheTimes(o), azuremsi.DefaultLifetimes()
	l.Resource = c.time("resource", l.Resource)
	l.Recheck = c.time("recheck", l.Recheck)
	l.Keys = c.time("keys", l.Keys)
	l.KeysStale = c.time("keys_stale", l.KeysStale)
	l.KeysRecheck = c.time("keys_recheck", l.KeysRecheck)
	c.order("resource", l.Resource, "recheck", l.Recheck)
	c.order("keys", l.Keys, "keys_recheck", l.KeysRecheck)
	c.order("keys_stale", l.KeysStale, "keys", l.Keys)
	return l
}
