package azuremsi

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/cache"
)

// facts gathers facts through caches, which are keyed by all that an answer
// depends on: the tenant (and so the credential) and the resource.
type facts struct {
	asker      asker
	machines   *cache.Cache[resource, found[machine]]
	interfaces *cache.Cache[resource, found[NetworkInterface]]
	searches   *cache.Cache[principal, []ResourceID]
}

// found is an answer of Resource Manager, which may be that there is nothing. It
// is an answer like others to the caches, but see ask.
type found[T any] struct {
	value   T
	missing error // errNotFound, wrapped
}

func newFacts(asker asker, machines machineReader, interfaces interfaceReader, finder machineFinder) (*facts, error) {
	options := cache.Options{
		Lifetime: factLifetime, Recheck: factRecheck, Stale: factLifetime,
		LoadTimeout: factTimeout, Size: factCacheSize,
	}
	f := &facts{asker: asker}
	var errs [3]error
	f.machines, errs[0] = cache.New(options, remember(machines.readMachine))
	f.interfaces, errs[1] = cache.New(options, remember(interfaces.readInterface))
	f.searches, errs[2] = cache.New(options, finder.findMachines)
	return f, errors.Join(errs[:]...)
}

// remember makes an answer of errNotFound.
func remember[T any](read func(context.Context, resource) (T, error)) cache.Load[resource, found[T]] {
	return func(ctx context.Context, r resource) (found[T], error) {
		value, err := read(ctx, r)
		if errors.Is(err, errNotFound) {
			return found[T]{missing: err}, nil
		}
		return found[T]{value: value}, err
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
	m, err := ask(ctx, f.machines, resource{tenant: e.claims.TenantID, id: *id}, holder)
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
	ids, err := f.searches.Get(ctx, p)
	if err == nil && len(ids) != 1 {
		ids, err = f.searches.Recheck(ctx, p)
	}
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
			turns <- struct{}{}
			defer func() { <-turns }()
			read[i], errs[i] = ask(ctx, f.interfaces, resource{tenant: tenant, id: attached.id}, nil)
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
// nothing, or one that good is not content with.
func ask[T any](ctx context.Context, c *cache.Cache[resource, found[T]], r resource, good func(T) bool) (T, error) {
	answer, err := c.Get(ctx, r)
	if err == nil && (answer.missing != nil || good != nil && !good(answer.value)) {
		answer, err = c.Recheck(ctx, r)
	}
	if err == nil {
		err = answer.missing
	}
	return answer.value, err
}
