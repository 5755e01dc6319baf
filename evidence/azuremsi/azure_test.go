package azuremsi_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	computefake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	networkfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"
	graphfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph/fake"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// azure is Resource Manager, as the SDK's own fake servers play it. Resources
// are found by their URL in lower case.
type azure struct {
	mu         sync.Mutex
	vms        map[string]armcompute.VirtualMachine
	instances  map[string]armcompute.VirtualMachineScaleSetVM
	interfaces map[string]armnetwork.Interface
	graph      func(armresourcegraph.QueryRequest) (any, error)
	status     int // of every answer, if not 0
	noLists    bool
	calls      []string
	took       time.Duration

	servers map[string]interface {
		Do(*http.Request) (*http.Response, error)
	}
}

func newAzure() *azure {
	a := &azure{
		vms:        map[string]armcompute.VirtualMachine{},
		instances:  map[string]armcompute.VirtualMachineScaleSetVM{},
		interfaces: map[string]armnetwork.Interface{},
	}
	a.servers = map[string]interface {
		Do(*http.Request) (*http.Response, error)
	}{
		"VirtualMachinesClient": computefake.NewVirtualMachinesServerTransport(&computefake.VirtualMachinesServer{
			Get: func(ctx context.Context, group, name string, _ *armcompute.VirtualMachinesClientGetOptions) (azfake.Responder[armcompute.VirtualMachinesClientGetResponse], azfake.ErrorResponder) {
				vm, ok := look(a, a.vms, ctx)
				return respond(a, armcompute.VirtualMachinesClientGetResponse{VirtualMachine: vm}, ok)
			},
			NewListPager: func(group string, _ *armcompute.VirtualMachinesClientListOptions) (resp azfake.PagerResponder[armcompute.VirtualMachinesClientListResponse]) {
				a.addPages(group, keysOf(a, a.vms), func(ids []string) {
					var page armcompute.VirtualMachinesClientListResponse
					for _, id := range ids {
						vm := a.vms[id]
						vm.ID = ptr(strings.Replace(value(vm.ID), "/Web-RG/", "/WEB-RG/", 1)) // as Azure does
						page.Value = append(page.Value, &vm)
					}
					resp.AddPage(http.StatusOK, page, nil)
				}, func() { resp.AddResponseError(http.StatusForbidden, "AuthorizationFailed") })
				return resp
			},
		}),
		"VirtualMachineScaleSetVMsClient": computefake.NewVirtualMachineScaleSetVMsServerTransport(&computefake.VirtualMachineScaleSetVMsServer{
			Get: func(ctx context.Context, group, set, id string, _ *armcompute.VirtualMachineScaleSetVMsClientGetOptions) (azfake.Responder[armcompute.VirtualMachineScaleSetVMsClientGetResponse], azfake.ErrorResponder) {
				vm, ok := look(a, a.instances, ctx)
				return respond(a, armcompute.VirtualMachineScaleSetVMsClientGetResponse{VirtualMachineScaleSetVM: vm}, ok)
			},
			NewListPager: func(group, set string, _ *armcompute.VirtualMachineScaleSetVMsClientListOptions) (resp azfake.PagerResponder[armcompute.VirtualMachineScaleSetVMsClientListResponse]) {
				a.addPages(group, keysOf(a, a.instances), func(ids []string) {
					var page armcompute.VirtualMachineScaleSetVMsClientListResponse
					for _, id := range ids {
						vm := a.instances[id]
						vm.ID = ptr(strings.Replace(value(vm.ID), "/Web-RG/", "/WEB-RG/", 1)) // as Azure does
						page.Value = append(page.Value, &vm)
					}
					resp.AddPage(http.StatusOK, page, nil)
				}, func() { resp.AddResponseError(http.StatusForbidden, "AuthorizationFailed") })
				return resp
			},
		}),
		"InterfacesClient": networkfake.NewInterfacesServerTransport(&networkfake.InterfacesServer{
			Get: func(ctx context.Context, group, name string, _ *armnetwork.InterfacesClientGetOptions) (azfake.Responder[armnetwork.InterfacesClientGetResponse], azfake.ErrorResponder) {
				nic, ok := look(a, a.interfaces, ctx)
				return respond(a, armnetwork.InterfacesClientGetResponse{Interface: nic}, ok)
			},
			NewListPager: func(group string, _ *armnetwork.InterfacesClientListOptions) (resp azfake.PagerResponder[armnetwork.InterfacesClientListResponse]) {
				a.addPages(group, keysOf(a, a.interfaces), func(ids []string) {
					var page armnetwork.InterfacesClientListResponse
					for _, id := range ids {
						nic := a.interfaces[id]
						page.Value = append(page.Value, &nic)
					}
					resp.AddPage(http.StatusOK, page, nil)
				}, func() { resp.AddResponseError(http.StatusForbidden, "AuthorizationFailed") })
				return resp
			},
			NewListVirtualMachineScaleSetNetworkInterfacesPager: func(group, set string, _ *armnetwork.InterfacesClientListVirtualMachineScaleSetNetworkInterfacesOptions) (resp azfake.PagerResponder[armnetwork.InterfacesClientListVirtualMachineScaleSetNetworkInterfacesResponse]) {
				a.addPages(group, keysOf(a, a.interfaces), func(ids []string) {
					var page armnetwork.InterfacesClientListVirtualMachineScaleSetNetworkInterfacesResponse
					for _, id := range ids {
						if strings.Contains(id, "/virtualmachinescalesets/"+strings.ToLower(set)+"/") {
							nic := a.interfaces[id]
							page.Value = append(page.Value, &nic)
						}
					}
					resp.AddPage(http.StatusOK, page, nil)
				}, func() { resp.AddResponseError(http.StatusForbidden, "AuthorizationFailed") })
				return resp
			},
			GetVirtualMachineScaleSetNetworkInterface: func(ctx context.Context, group, set, id, name string, _ *armnetwork.InterfacesClientGetVirtualMachineScaleSetNetworkInterfaceOptions) (azfake.Responder[armnetwork.InterfacesClientGetVirtualMachineScaleSetNetworkInterfaceResponse], azfake.ErrorResponder) {
				nic, ok := look(a, a.interfaces, ctx)
				return respond(a, armnetwork.InterfacesClientGetVirtualMachineScaleSetNetworkInterfaceResponse{Interface: nic}, ok)
			},
		}),
		"Client": graphfake.NewServerTransport(&graphfake.Server{
			Resources: func(ctx context.Context, query armresourcegraph.QueryRequest, _ *armresourcegraph.ClientResourcesOptions) (resp azfake.Responder[armresourcegraph.ClientResourcesResponse], problem azfake.ErrorResponder) {
				if a.graph == nil {
					problem.SetError(errors.New("nobody should ask Resource Graph"))
					return
				}
				data, err := a.graph(query)
				if err != nil {
					problem.SetError(err)
					return
				}
				return respond(a, armresourcegraph.ClientResourcesResponse{QueryResponse: armresourcegraph.QueryResponse{Data: data}}, true)
			},
		}),
	}
	return a
}

type pathKey struct{}

// Do implements policy.Transporter.
func (a *azure) Do(r *http.Request) (*http.Response, error) {
	method := r.Context().Value(runtime.CtxAPINameKey{}).(string)
	path := strings.ToLower(r.URL.Path)
	a.mu.Lock()
	a.calls = append(a.calls, method+" "+path)
	took, status := a.took, a.status
	a.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer token-of-"+tenantID {
		return nil, errors.New("wrong credential: " + r.Header.Get("Authorization"))
	}
	if took > 0 {
		select {
		case <-time.After(took):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if status == http.StatusTooManyRequests {
		// Not by the fake servers, as the SDK does not repeat what they refuse.
		answer := httptest.NewRecorder()
		answer.Header().Set("Retry-After", "3")
		http.Error(answer, `{"error":{"code":"TooManyRequests"}}`, status)
		return answer.Result(), nil
	}
	client, _, _ := strings.Cut(method, ".")
	response, err := a.servers[client].Do(r.WithContext(context.WithValue(r.Context(), pathKey{}, path)))
	return response, err
}

func look[T any](a *azure, in map[string]T, ctx context.Context) (T, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	value, ok := in[ctx.Value(pathKey{}).(string)]
	return value, ok
}

func respond[T any](a *azure, value T, ok bool) (resp azfake.Responder[T], problem azfake.ErrorResponder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.status != 0:
		problem.SetResponseError(a.status, "Refused")
	case !ok:
		problem.SetResponseError(http.StatusNotFound, "ResourceNotFound")
	default:
		resp.SetResponse(http.StatusOK, value, nil)
	}
	return resp, problem
}

// asked returns the calls so far, and forgets them.
func (a *azure) asked() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	calls := a.calls
	a.calls = nil
	return calls
}

// credential is one that works, and says which tenant it is of.
type credential string

func (c credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token-of-" + string(c), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// with connects a collector with azure.
func (a *azure) with(o *azuremsi.Options) {
	o.ResourceManager = a
	o.DefaultCredential = func(tenant string) (azcore.TokenCredential, error) { return credential(tenant), nil }
}

func ptr[T any](v T) *T { return &v }

const (
	nicID         = "/subscriptions/" + subscription + "/resourceGroups/web-rg/providers/Microsoft.Network/networkInterfaces/web-1-nic"
	otherSub      = "11111111-2222-3333-4444-555555555555"
	foreignNICID  = "/subscriptions/" + otherSub + "/resourceGroups/Common/providers/Microsoft.Network/networkInterfaces/backup-nic"
	groupID       = "/subscriptions/" + subscription + "/resourceGroups/Net-RG/providers/Microsoft.Network/networkSecurityGroups/Web-NSG"
	networkID     = "/subscriptions/" + subscription + "/resourceGroups/Net-RG/providers/Microsoft.Network/virtualNetworks/Main"
	instanceNICID = instanceID + "/networkInterfaces/eth0"
)

// machine is the usual virtual machine, with two interfaces.
func machine() armcompute.VirtualMachine {
	return armcompute.VirtualMachine{
		ID:       ptr(vmID),
		Name:     ptr("Web-1"),
		Location: ptr("westeurope"),
		Zones:    []*string{ptr("2")},
		Tags:     map[string]*string{"Environment": ptr("production"), "empty": ptr("")},
		Identity: &armcompute.VirtualMachineIdentity{PrincipalID: ptr(strings.ToUpper(principalID))},
		Properties: &armcompute.VirtualMachineProperties{
			VMID:              ptr("f5e3c9d2-3f4e-4d0a-9c1b-0a1b2c3d4e5f"),
			ProvisioningState: ptr("Succeeded"),
			TimeCreated:       ptr(now.Add(-time.Hour)),
			HardwareProfile:   &armcompute.HardwareProfile{VMSize: ptr(armcompute.VirtualMachineSizeTypesStandardD2SV3)},
			NetworkProfile: &armcompute.NetworkProfile{NetworkInterfaces: []*armcompute.NetworkInterfaceReference{
				{ID: ptr(nicID), Properties: &armcompute.NetworkInterfaceReferenceProperties{Primary: ptr(true)}},
				{ID: ptr(foreignNICID)},
			}},
		},
	}
}

// nic is an interface with one address in a subnet.
func nic(id, subnet, address string, group *armnetwork.SecurityGroup) armnetwork.Interface {
	return armnetwork.Interface{
		ID: ptr(id),
		Properties: &armnetwork.InterfacePropertiesFormat{
			MacAddress:           ptr("00-0D-3A-11-22-33"),
			NetworkSecurityGroup: group,
			IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{
				Properties: &armnetwork.InterfaceIPConfigurationPropertiesFormat{
					PrivateIPAddress: ptr(address),
					Subnet:           &armnetwork.Subnet{ID: ptr(networkID + "/subnets/" + subnet)},
				},
			}},
		},
	}
}

// usual is an azure with the usual machine.
func usual(t testing.TB) *azure {
	t.Helper()
	a := newAzure()
	a.vms[strings.ToLower(vmID)] = machine()
	a.interfaces[strings.ToLower(nicID)] = nic(nicID, "front", "10.0.0.4", &armnetwork.SecurityGroup{ID: ptr(groupID)})
	a.interfaces[strings.ToLower(foreignNICID)] = nic(foreignNICID, "back", "10.0.1.4", nil)
	return a
}

// minimal is a machine of which Resource Manager says next to nothing.
func minimal() armcompute.VirtualMachine {
	return armcompute.VirtualMachine{Identity: &armcompute.VirtualMachineIdentity{PrincipalID: ptr(principalID)}}
}

func withScaleSet(vm *armcompute.VirtualMachine) {
	vm.Properties.VirtualMachineScaleSet = &armcompute.SubResource{ID: ptr(scaleSetID)}
}

// keysOf are the IDs of resources, sorted.
func keysOf[T any](a *azure, in map[string]T) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(in))
}

// addPages makes pages of 500 of what is in a group.
func (a *azure) addPages(group string, ids []string, add func(ids []string), refuse func()) {
	if a.noLists {
		refuse()
		return
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !strings.Contains(id, "/resourcegroups/"+strings.ToLower(group)+"/") })
	if len(ids) == 0 {
		add(nil)
	}
	for page := range slices.Chunk(ids, 500) {
		add(page)
	}
}

func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
