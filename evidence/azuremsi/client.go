package azuremsi

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"
)

// resourceManager reads resources with Azure's SDK, which keeps to Retry-After
// when it is throttled, for as long as the context allows.
//
// The SDK's clients are made for each call: all that is worth keeping is in the
// credential (tokens) and in the transport (connections).
type resourceManager struct {
	credentials *credentials
	options     *arm.ClientOptions
}

var (
	_ asker           = resourceManager{}
	_ machineReader   = resourceManager{}
	_ interfaceReader = resourceManager{}
	_ machineFinder   = resourceManager{}
)

func newResourceManager(o Options, credentials *credentials) resourceManager {
	options := o.Cloud.armOptions()
	next := o.ResourceManager
	if next == nil {
		next = o.HTTPClient
	}
	options.Transport = bounded{next}
	options.Retry.MaxRetries = maxRetries
	return resourceManager{credentials: credentials, options: options}
}

// mayAsk implements asker.
func (m resourceManager) mayAsk(ctx context.Context, tenant string) error {
	_, err := m.credentials.of(ctx, tenant)
	return err
}

// readMachine implements machineReader.
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

// readInterface implements interfaceReader. The subscription is the interface's.
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

// findMachines implements machineFinder with a query to Resource Graph.
func (m resourceManager) findMachines(ctx context.Context, p principal) ([]ResourceID, error) {
	// Nothing but a GUID gets into the query, which has no parameters.
	objectID, err := parseGUID(p.objectID)
	if err != nil {
		return nil, fmt.Errorf("principal %w", err)
	}
	credential, err := m.credentials.of(ctx, p.tenant)
	if err != nil {
		return nil, err
	}
	client, err := armresourcegraph.NewClient(credential, m.options)
	if err != nil {
		return nil, err
	}
	query := "resources | where type =~ 'microsoft.compute/virtualmachines'" +
		" | where identity.principalId =~ '" + objectID + "' | project id"
	format, top := armresourcegraph.ResultFormatObjectArray, int32(2) // two are as wrong as many
	request := armresourcegraph.QueryRequest{
		Query:   &query,
		Options: &armresourcegraph.QueryRequestOptions{ResultFormat: &format, Top: &top},
	}
	if subscription := m.credentials.subscription(p.tenant); subscription != "" {
		request.Subscriptions = []*string{&subscription}
	}
	answer, err := client.Resources(ctx, request, nil)
	if err != nil {
		return nil, fmt.Errorf("find machine of principal %s: %w", objectID, short(err))
	}
	ids, err := idsOf(answer.Data)
	if err != nil {
		return nil, fmt.Errorf("find machine of principal %s: %w", objectID, err)
	}
	return ids, nil
}

// idsOf reads rows of {"id": …}.
func idsOf(data any) ([]ResourceID, error) {
	rows, ok := data.([]any)
	if !ok {
		return nil, fmt.Errorf("answered %T, not rows", data)
	}
	var ids []ResourceID
	for _, row := range rows {
		columns, _ := row.(map[string]any)
		text, _ := columns["id"].(string)
		id, err := parseResourceID(text)
		if err != nil {
			return nil, err
		}
		if !id.isVirtualMachine() {
			return nil, fmt.Errorf("answered %s, not a virtual machine", id.ID)
		}
		ids = append(ids, id)
	}
	return ids, nil
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
