package azuremsi

import (
	"context"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// resourceManager reads resources with Azure's SDK, which keeps to Retry-After
// when it is throttled, for as long as the context allows.
//
// The SDK's clients are made for each call: all that is worth keeping is in the
// credential (tokens) and in the transport (connections).
type resourceManager struct {
	credentials  *credentials
	options      *arm.ClientOptions
	quotas       *quotas
	withoutGraph bool // don't read resources from Resource Graph
}

func newResourceManager(o Options, credentials *credentials) resourceManager {
	options := o.Cloud.armOptions()
	next := o.ResourceManager
	if next == nil {
		next = o.HTTPClient
	}
	options.Transport = bounded{next}
	reporting(&options.ClientOptions)
	retrying(&options.ClientOptions)
	return resourceManager{credentials: credentials, options: options, quotas: newQuotas(), withoutGraph: o.WithoutResourceGraph}
}

// mayAsk says whether it may ask for a tenant's resources: errNoCredential if not.
func (m resourceManager) mayAsk(ctx context.Context, tenant string) error {
	_, err := m.credentials.of(ctx, tenant)
	return err
}

// readMachine reads a virtual machine, or an instance of a scale set.
func (m resourceManager) readMachine(ctx context.Context, r resource) (machine, error) {
	credential, err := m.credentials.of(ctx, r.tenant)
	if err != nil {
		return machine{}, err
	}
	names := r.id.names()
	if r.id.isInstance() {
		client, err := armcompute.NewVirtualMachineScaleSetVMsClient(r.id.SubscriptionID, credential, m.options)
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
	client, err := armcompute.NewVirtualMachinesClient(r.id.SubscriptionID, credential, m.options)
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
	credential, err := m.credentials.of(ctx, r.tenant)
	if err != nil {
		return NetworkInterface{}, err
	}
	client, err := armnetwork.NewInterfacesClient(r.id.SubscriptionID, credential, m.options)
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
