package azuremsi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/batch"
	"github.com/spire-gatehouse/gatehouse/evidence/cache"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// facts gathers facts through caches, which are keyed by all that an answer
// depends on: the tenant (and so the credential) and the resource. What the caches
// lack is asked for together with what others ask for at the same time.
type facts struct {
	asker      asker
	machines   *kind[machine]
	interfaces *kind[NetworkInterface]
	searches   *cache.Cache[principal, []ResourceID]
}

// principal is an identity of a tenant, by its object ID.
type principal struct{ tenant, objectID string }

// asker says whether it may ask for a tenant's resources: errNoCredential if not.
type asker interface {
	mayAsk(ctx context.Context, tenant string) error
}

// kind is resources of one kind.
type kind[T any] struct {
	cache *cache.Cache[resource, found[T]]

	// exact are answers of Resource Manager's for one resource each: for those
	// that are about to be denied for what another source said.
	exact *cache.Cache[resource, found[T]]
}

func newKind[T any](options cache.Options, r *reader[T]) (*kind[T], error) {
	k := &kind[T]{}
	var errs [2]error
	k.cache, errs[0] = cache.New(options, r.read)
	options.Name += "_exact"
	k.exact, errs[1] = cache.New(options, r.readDirectly)
	return k, errors.Join(errs[:]...)
}

func factOptions(name string, lifetimes Lifetimes) cache.Options {
	return cache.Options{
		Name: name, Lifetime: lifetimes.Resource, Recheck: lifetimes.Recheck, Retry: min(retryAfter, lifetimes.Recheck), Stale: lifetimes.Resource,
		LoadTimeout: factTimeout, Size: factCacheSize, Waiting: maxWaiting,
	}
}

func newFacts(m resourceManager, lifetimes Lifetimes) (*facts, error) {
	f := &facts{asker: m}
	var errs [6]error
	machines, err := newReader(factVirtualMachine, m.readMachine, m.graphMachines(), m.listMachines, respelt,
		func(m *machine) *string { return &m.vm.ResourceGroup })
	errs[0] = err
	interfaces, err := newReader("network_interface", m.readInterface, m.graphInterfaces(), m.listInterfaces,
		func(n NetworkInterface, _ ResourceID) NetworkInterface { return n }, func(n *NetworkInterface) *string { return &n.ResourceGroup })
	errs[1] = err
	searches, err := batch.New(batchOptions("principal"), m.findMachines)
	errs[2] = err
	f.machines, errs[3] = newKind(factOptions(factVirtualMachine, lifetimes), machines)
	f.interfaces, errs[4] = newKind(factOptions("network_interface", lifetimes), interfaces)
	f.searches, errs[5] = cache.New(factOptions("principal", lifetimes), func(ctx context.Context, p principal) ([]ResourceID, error) {
		// Nothing but a GUID gets into the query, which has no parameters.
		objectID, err := parseGUID(p.objectID)
		if err != nil {
			return nil, fmt.Errorf("principal %w", err)
		}
		ids, err := searches.Get(ctx, batchGroup{p.tenant, m.credentials.subscription(p.tenant)}, objectID)
		if err != nil {
			return nil, fmt.Errorf("find machine of principal %s: %w", objectID, err)
		}
		return ids, nil
	})
	return f, errors.Join(errs[:]...)
}

// close ends the reads that go on in the background.
func (f *facts) close() {
	for _, c := range []interface{ Close() }{f.machines.cache, f.machines.exact, f.interfaces.cache, f.interfaces.exact, f.searches} {
		c.Close()
	}
}

// gather runs in the caller's time; the reads behind the caches go on if that
// runs out.
func (f *facts) gather(ctx context.Context, e *Evidence, names []string) map[string]evidence.Fact {
	gathered := make(map[string]evidence.Fact, len(names))
	var (
		m   machine
		err error
	)
	if len(names) > 0 {
		m, err = f.machine(ctx, e)
	}
	for _, name := range names {
		switch {
		case name != factVirtualMachine && name != factNetwork:
			gathered[name] = evidence.Failed(fmt.Errorf("there is no fact %q", name))
		case err != nil:
			gathered[name] = missing(err)
		case name == factVirtualMachine:
			gathered[name] = evidence.Known(m.vm)
		default:
			network, err := f.network(ctx, e.claims.TenantID, m)
			if err != nil {
				gathered[name] = missing(err)
				continue
			}
			gathered[name] = evidence.Known(network)
		}
	}
	return gathered
}

// errAbsent is knowledge that there is no such fact.
var errAbsent = errors.New("absent")

// missing is a fact that is not there, with the reason for the log.
func missing(err error) evidence.Fact {
	switch {
	case errors.Is(err, errNoCredential):
		return evidence.Fact{Status: evidence.StatusNotCollected} // said once, by credentials
	case errors.Is(err, errAbsent), errors.Is(err, errNotFound):
		return evidence.Fact{Status: evidence.StatusAbsent, Err: err}
	}
	return evidence.Failed(err)
}

// machine reads the machine that a token was issued on.
func (f *facts) machine(ctx context.Context, e *Evidence) (machine, error) {
	// Without a credential nothing is known, of no token: not even absence.
	if err := f.asker.mayAsk(ctx, e.claims.TenantID); err != nil {
		return machine{}, err
	}
	objectID := lower(e.claims.principal())
	id, err := e.named.readable()
	if err != nil {
		return machine{}, err
	}
	if id == nil {
		found, err := f.search(ctx, principal{tenant: e.claims.TenantID, objectID: objectID})
		if err != nil {
			return machine{}, err
		}
		id = &found
	}
	holder := func(m machine) bool { return m.holds(e.named, objectID) }
	m, err := f.machines.ask(ctx, resource{tenant: e.claims.TenantID, id: *id}, holder)
	if err != nil {
		return machine{}, err
	}
	if !holder(m) {
		return machine{}, fmt.Errorf("%w: %s does not hold the identity %s, which the token is of", errAbsent, id.ID, objectID)
	}
	return m, nil
}

// readable is the machine to read, nil if the token names nothing and one must be
// searched for. A token that names something else is never searched for: what
// would be found is another machine.
func (n named) readable() (*ResourceID, error) {
	switch {
	case n.machine != nil && n.machine.isScaleSet():
		return nil, fmt.Errorf("%w: the token names a scale set, %s, and not its instance", errAbsent, n.machine.ID)
	case n.machine != nil:
		return n.machine, nil
	case n.identityKind == userAssigned:
		return nil, fmt.Errorf("%w: the token names no machine, only the identity %s", errAbsent, n.identity.ID)
	case n.identity != nil:
		return nil, fmt.Errorf("%w: the token names %s, which is not a virtual machine", errAbsent, n.identity.ID)
	case n.resource != nil:
		return nil, fmt.Errorf("%w: the token names %s, which is not a virtual machine", errAbsent, n.resource.ID)
	}
	return nil, nil
}

// search finds the one machine of a principal.
func (f *facts) search(ctx context.Context, p principal) (ResourceID, error) {
	ids, err := f.searches.Ask(ctx, p, func(ids []ResourceID) bool { return len(ids) == 1 })
	switch {
	case err != nil:
		return ResourceID{}, err
	case len(ids) == 0:
		return ResourceID{}, fmt.Errorf("%w: no virtual machine holds the identity %s", errAbsent, p.objectID)
	case len(ids) > 1:
		return ResourceID{}, fmt.Errorf("%w: several virtual machines hold the identity %s", errAbsent, p.objectID)
	}
	return ids[0], nil
}

// network reads the interfaces of a machine, a few at a time.
func (f *facts) network(ctx context.Context, tenant string, m machine) (Network, error) {
	read := make([]NetworkInterface, len(m.interfaces))
	errs := make([]error, len(m.interfaces))
	turns := make(chan struct{}, interfaceReaders)
	var all sync.WaitGroup
	for i, attached := range m.interfaces {
		all.Go(func() {
			defer recovered.To(&errs[i])
			turns <- struct{}{}
			defer func() { <-turns }()
			read[i], errs[i] = f.interfaces.ask(ctx, resource{tenant: tenant, id: attached.id}, nil)
			read[i].Primary = attached.primary
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		// An interface that is listed but not there is no knowledge of absence.
		return Network{}, fmt.Errorf("network of %s: %w", m.vm.ID, unknown{err})
	}
	return networkOf(read), nil
}

// ask returns a cached answer, but asks again before one does harm: that there is
// nothing, or one that good is not content with. Such an answer is Resource
// Manager's own, and no older than the question.
func (k *kind[T]) ask(ctx context.Context, r resource, good func(T) bool) (T, error) {
	content := func(f found[T]) bool { return f.missing == nil && (good == nil || good(f.value)) }
	came := time.Now()
	answer, err := k.cache.Get(ctx, r)
	switch {
	case err != nil || content(answer):
	case answer.direct:
		answer, err = k.cache.Since(ctx, r, came)
	default:
		answer, err = k.exact.Ask(ctx, r, content)
	}
	if err == nil {
		err = answer.missing
	}
	return answer.value, err
}
