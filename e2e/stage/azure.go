package stage

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/azure"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/fault"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// Azure is a cloud with one tenant and one subscription.
type Azure struct {
	*azure.Cloud

	// Faults are what goes wrong before the cloud is reached.
	Faults *fault.Injector

	// Site is the cloud on loopback.
	Site *azure.Site

	// Tenant, Subscription and ResourceGroup are what its machines are in.
	Tenant, Subscription, ResourceGroup string

	certificates string // file
}

// The application that a SPIRE server has the secret of.
const (
	AppID     = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9"
	AppSecret = "k8Q~hushNobodyShouldReadThisInALog"
)

// NewAzure makes a cloud on loopback until ctx ends. It writes its certificate
// below dir.
func NewAzure(ctx context.Context, dir, tenant, subscription string) (*Azure, error) {
	cloud := azure.New()
	cloud.Register(azure.App{Tenant: tenant, ID: AppID}, AppSecret)
	faults := fault.New(cloud, 1)
	site, err := azure.Serve(ctx, faults)
	if err != nil {
		return nil, err
	}
	a := &Azure{
		Cloud: cloud, Faults: faults, Site: site, Tenant: tenant, Subscription: subscription, ResourceGroup: "Web-RG",
		certificates: filepath.Join(dir, "azure.pem"),
	}
	if err := os.WriteFile(a.certificates, site.Certificate, 0o600); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	return a, nil
}

// MakePrivate has the cloud be one of its own, at the site's URL, which its documents
// and the issuers of its tokens name.
func (a *Azure) MakePrivate() {
	a.Authority.Host = a.Site.URL
	a.Authority.IssuerV1, a.Authority.IssuerV2 = a.Site.URL+"/{tenantid}/", a.Site.URL+"/{tenantid}/v2.0"
}

// VM is one virtual machine, as its metadata service and Resource Manager know it.
type VM struct {
	Machine  armcompute.VirtualMachine
	NIC      armnetwork.Interface
	Metadata *azure.Machine
}

// VM returns a machine with this name whose system-assigned identity is that
// principal, to be changed at will before PutMachine and PutInterface.
func (a *Azure) VM(name, principal string) VM {
	group := "/subscriptions/" + a.Subscription + "/resourceGroups/"
	id := group + a.ResourceGroup + "/providers/Microsoft.Compute/virtualMachines/" + name
	nic := group + a.ResourceGroup + "/providers/Microsoft.Network/networkInterfaces/" + name + "-nic"
	network := group + "Net-RG/providers/Microsoft.Network/"
	return VM{
		Machine: armcompute.VirtualMachine{
			ID: &id, Name: &name, Location: new("westeurope"), Tags: map[string]*string{"env": new("prod")},
			Identity: &armcompute.VirtualMachineIdentity{PrincipalID: &principal},
			Properties: &armcompute.VirtualMachineProperties{
				VMID:           new("f5e3c9d2-3f4e-4d0a-9c1b-0a1b2c3d4e5f"),
				NetworkProfile: &armcompute.NetworkProfile{NetworkInterfaces: []*armcompute.NetworkInterfaceReference{{ID: &nic}}},
			},
		},
		NIC: armnetwork.Interface{
			ID: &nic,
			Properties: &armnetwork.InterfacePropertiesFormat{
				NetworkSecurityGroup: &armnetwork.SecurityGroup{ID: new(network + "networkSecurityGroups/Web-NSG")},
				IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{Properties: &armnetwork.InterfaceIPConfigurationPropertiesFormat{
					PrivateIPAddress: new("10.0.0.4"),
					Subnet:           &armnetwork.Subnet{ID: new(network + "virtualNetworks/Main/subnets/front")},
				}}},
			},
		},
		Metadata: &azure.Machine{
			Cloud:    a.Cloud,
			Identity: entra.Machine{Tenant: a.Tenant, Principal: principal, ManagedIdentity: id},
			Name:     name, SubscriptionID: a.Subscription, ResourceGroup: a.ResourceGroup,
		},
	}
}

// Put makes Resource Manager know the machine.
func (a *Azure) Put(vm VM) {
	a.Manager.PutMachine(vm.Machine)
	a.Manager.PutInterface(vm.NIC)
}

// AzurePlugin is the NodeAttestor block that loads Gatehouse from this file with
// this plugin_data.
func AzurePlugin(binary, pluginData string) (string, error) {
	sum, err := repo.Checksum(binary)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`
    NodeAttestor "azure_msi" {
        plugin_cmd = %q
        plugin_args = ["azure_msi"]
        plugin_checksum = %q
        plugin_data {
%s
        }
    }`, binary, sum, pluginData), nil
}

// AzureBuiltIn is the block of SPIRE's own attestor.
func AzureBuiltIn(pluginData string) string {
	return fmt.Sprintf(`
    NodeAttestor "azure_msi" {
        plugin_data {
%s
        }
    }`, pluginData)
}

// ServerEnv is the environment of a server that reaches this cloud and nothing
// else. metadata is its machine's metadata service, nil for a server outside of
// Azure.
func (a *Azure) ServerEnv(ctx context.Context, metadata http.Handler) ([]string, error) {
	env, err := proxied(ctx, azure.Proxy{Metadata: metadata, Site: a.Site})
	// No programs, for the default credential would ask az for a token.
	return append(env, "SSL_CERT_FILE="+a.certificates, "SSL_CERT_DIR="+os.DevNull, "PATH="+os.DevNull), err
}

// AgentEnv is the environment of an agent on the machine.
func AzureAgentEnv(ctx context.Context, machine http.Handler) ([]string, error) {
	return proxied(ctx, azure.Proxy{Metadata: machine})
}

// proxied is an environment without credentials, in which the proxy is all of the
// network beyond loopback.
func proxied(ctx context.Context, proxy azure.Proxy) ([]string, error) {
	listener, err := standin.Listen(ctx, proxy)
	if err != nil {
		return nil, err
	}
	var env []string
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AZURE_") || strings.HasPrefix(name, "IDENTITY_") || strings.HasPrefix(name, "MSI_") {
			env = append(env, name+"=")
		}
	}
	return append(env, "HTTP_PROXY="+listener.URL, "HTTPS_PROXY="+listener.URL, "http_proxy="+listener.URL, "https_proxy="+listener.URL), nil
}
