package aws

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// defaultRegions are the regions of a new World.
func defaultRegions() []string { return []string{"us-east-1", "us-west-2", "eu-central-1"} }

// World is everything that exists behind the APIs. It is safe for concurrent
// use; what is put in is copied at the top level and must not be changed after.
type World struct {
	now func() time.Time

	mu            sync.Mutex
	regions       []string
	accounts      map[string]*account
	keys          map[string]accessKey
	organizations []Organization
}

type account struct {
	roles    map[string]Role
	profiles map[string]Profile
	regions  map[string]*regional
}

// regional is what an account has in one region.
type regional struct {
	instances map[string]Instance
	clusters  map[string]Cluster
	groups    map[string]ScalingGroup
}

// A Role is an IAM role that others may assume.
type Role struct {
	Name string
	Path string // "/" when empty

	// TrustedAccounts may assume it.
	TrustedAccounts []string

	// ExternalID, when set, must be presented.
	ExternalID string

	// Actions are what it may do, such as "ec2:DescribeInstances". Empty means
	// everything.
	Actions []string
}

// accessKey is what signs requests, and whose it is.
type accessKey struct {
	id, secret string
	session    string    // of temporary credentials
	expires    time.Time // of temporary credentials
	partition  string    // of temporary credentials, which are good in no other
	account    string
	actions    []string

	// What they belong to: the service and the resource of its ARN.
	service, resource string
}

// arn is the ARN of whom the key belongs to, for calls in a region.
func (k accessKey) arn(region string) string { return arn(region, k.service, k.account, k.resource) }

// NewWorld returns a world without accounts. now may be nil for time.Now.
func NewWorld(now func() time.Time) *World {
	if now == nil {
		now = time.Now
	}
	return &World{
		now:      now,
		regions:  defaultRegions(),
		accounts: map[string]*account{},
		keys:     map[string]accessKey{},
	}
}

// AddRegion makes a region known.
func (w *World) AddRegion(region string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.regions, region) {
		w.regions = append(w.regions, region)
	}
}

// AddUser gives the account a user with an access key that may do everything
// in it, in all partitions.
func (w *World) AddUser(accountID, keyID, secret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account(accountID)
	w.keys[keyID] = accessKey{
		id: keyID, secret: secret, account: accountID, service: "iam", resource: "user/" + keyID,
	}
}

// PutRole adds or replaces a role of the account. As at AWS there is but one of
// a name, whatever its path, and who asks for it must name the path too.
func (w *World) PutRole(accountID string, role Role) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account(accountID).roles[role.Name] = role
}

// PutInstance adds or replaces an instance.
func (w *World) PutInstance(accountID, region string, instance Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.regional(accountID, region).instances[instance.ID] = instance
}

// account returns the account, making it if it is new. The lock is held.
func (w *World) account(id string) *account {
	a := w.accounts[id]
	if a == nil {
		a = &account{roles: map[string]Role{}, profiles: map[string]Profile{}, regions: map[string]*regional{}}
		w.accounts[id] = a
	}
	return a
}

// regional returns what the account has in the region. The lock is held.
func (w *World) regional(accountID, region string) *regional {
	a := w.account(accountID)
	r := a.regions[region]
	if r == nil {
		r = &regional{instances: map[string]Instance{}, clusters: map[string]Cluster{}, groups: map[string]ScalingGroup{}}
		a.regions[region] = r
	}
	return r
}

// instances lists an account's instances of a region by ID: all, or those with
// these IDs, and which of the IDs there are none of.
func (w *World) instances(accountID, region string, ids []string) (found []Instance, missing []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.regional(accountID, region).instances
	if len(ids) == 0 {
		return sortedValues(all), nil
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if instance, ok := all[id]; ok {
			found = append(found, instance)
		} else {
			missing = append(missing, id)
		}
	}
	return found, missing
}

// sortedValues lists a map's values in the order of its keys.
func sortedValues[T any](all map[string]T) []T {
	list := make([]T, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[key])
	}
	return list
}

// role finds a role.
func (w *World) role(accountID, path, name string) (Role, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.accounts[accountID]; a != nil {
		if role, ok := a.roles[name]; ok && pathOr(role.Path) == path {
			return role, nil
		}
	}
	return Role{}, errors.New("no such role")
}

// key finds an access key.
func (w *World) key(id string) (accessKey, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, ok := w.keys[id]
	return k, ok
}

// addKey makes a temporary access key known.
func (w *World) addKey(k accessKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[k.id] = k
}

func (w *World) knowsRegion(region string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.regions, region)
}
