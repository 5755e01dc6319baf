package azuremsi

import (
	"context"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// resourceManager reads resources with Azure's SDK, which keeps to Retry-After
// when it is throttled, for as long as the context allows.
type resourceManager struct {
	credentials  *credentials
	options      *arm.ClientOptions
	sets         *clientSets
	quotas       *quotas
	withoutGraph bool // don't read resources from Resource Graph
}

func newResourceManager(o Options, credentials *credentials) (resourceManager, error) {
	options := o.Cloud.armOptions()
	next := o.ResourceManager
	if next == nil {
		next = o.HTTPClient
	}
	options.Transport = bounded{next}
	reporting(&options.ClientOptions)
	retrying(&options.ClientOptions)
	sets, err := newClientSets()
	return resourceManager{credentials: credentials, options: options, sets: sets, quotas: newQuotas(), withoutGraph: o.WithoutResourceGraph}, err
}

// mayAsk says whether it may ask for a tenant's resources: errNoCredential if not.
func (m resourceManager) mayAsk(ctx context.Context, tenant string) error {
	_, err := m.credentials.of(ctx, tenant)
	return err
}

// readMachine reads a virtual machine, or an instance of a scale set.
func (m resourceManager) readMachine(ctx context.Context, r resource) (machine, error) {
	clients, err := m.clients(ctx, batchGroup{r.tenant, r.id.SubscriptionID})
	if err != nil {
		return machine{}, err
	}
	names := r.id.names()
	if r.id.isInstance() {
		client, err := clients.instances()
		if err != nil {
			return machine{}, err
		}
		answer, err := client.Get(ctx, r.id.ResourceGroup, names[0], names[1], nil)
		if err != nil {
			return machine{}, explain("read", r.id, err)
		}
		read, err := machineOfInstance(r.id, answer.VirtualMachineScaleSetVM)
		return read, explain("answer for", r.id, err)
	}
	client, err := clients.machines()
	if err != nil {
		return machine{}, err
	}
	answer, err := client.Get(ctx, r.id.ResourceGroup, r.id.Name, nil)
	if err != nil {
		return machine{}, explain("read", r.id, err)
	}
	read, err := machineOfVM(r.id, answer.VirtualMachine)
	return read, explain("answer for", r.id, err)
}

// readInterface reads a network interface. The subscription is the interface's.
func (m resourceManager) readInterface(ctx context.Context, r resource) (NetworkInterface, error) {
	clients, err := m.clients(ctx, batchGroup{r.tenant, r.id.SubscriptionID})
	if err != nil {
		return NetworkInterface{}, err
	}
	client, err := clients.interfaces()
	if err != nil {
		return NetworkInterface{}, err
	}
	var answer armnetwork.Interface
	if names := r.id.names(); r.id.isInstanceInterface() {
		var got armnetwork.InterfacesClientGetVirtualMachineScaleSetNetworkInterfaceResponse
		got, err = client.GetVirtualMachineScaleSetNetworkInterface(ctx, r.id.ResourceGroup, names[0], names[1], names[2], nil)
		answer = got.Interface
	} else {
		var got armnetwork.InterfacesClientGetResponse
		got, err = client.Get(ctx, r.id.ResourceGroup, r.id.Name, nil)
		answer = got.Interface
	}
	if err != nil {
		return NetworkInterface{}, explain("read", r.id, err)
	}
	read, err := interfaceOf(r.id, answer)
	return read, explain("answer for", r.id, err)
}

// bounded cuts bodies that are larger than any honest answer. The SDK then fails
// to read them.
type bounded struct{ next policy.Transporter }

// Do implements policy.Transporter.
func (b bounded) Do(request *http.Request) (*http.Response, error) {
	response, err := b.next.Do(request)
	if err != nil || response == nil || response.Body == nil {
		return response, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxResourceManagerBody), response.Body}
	return response, nil
}
