package azuremsi

import (
	"context"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// clients are the SDK's of one tenant and subscription, each made when it is first
// used. Made for each call they would cost a third of it: each has to ask the
// credential for a token first, and the SDK checks its own version.
type clients struct {
	machines   func() (*armcompute.VirtualMachinesClient, error)
	instances  func() (*armcompute.VirtualMachineScaleSetVMsClient, error)
	interfaces func() (*armnetwork.InterfacesClient, error)
}

func newClients(subscription string, credential azcore.TokenCredential, options *arm.ClientOptions) *clients {
	return &clients{
		machines: sync.OnceValues(func() (*armcompute.VirtualMachinesClient, error) {
			return armcompute.NewVirtualMachinesClient(subscription, credential, options)
		}),
		instances: sync.OnceValues(func() (*armcompute.VirtualMachineScaleSetVMsClient, error) {
			return armcompute.NewVirtualMachineScaleSetVMsClient(subscription, credential, options)
		}),
		interfaces: sync.OnceValues(func() (*armnetwork.InterfacesClient, error) {
			return armnetwork.NewInterfacesClient(subscription, credential, options)
		}),
	}
}

// clientSets are those in use. A tenant's credential is one for as long as these
// last.
type clientSets struct {
	mu   sync.Mutex
	sets *simplelru.LRU[batchGroup, *clients]
}

func newClientSets() (*clientSets, error) {
	sets, err := simplelru.NewLRU[batchGroup, *clients](maxClients, nil)
	return &clientSets{sets: sets}, err
}

// clients returns those of a tenant and subscription, or errNoCredential.
func (m resourceManager) clients(ctx context.Context, of batchGroup) (*clients, error) {
	credential, err := m.credentials.of(ctx, of.tenant)
	if err != nil {
		return nil, err
	}
	return m.sets.of(of, credential, m.options), nil
}

func (s *clientSets) of(group batchGroup, credential azcore.TokenCredential, options *arm.ClientOptions) *clients {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, ok := s.sets.Get(group)
	if !ok {
		set = newClients(group.subscription, credential, options)
		s.sets.Add(group, set)
	}
	return set
}
