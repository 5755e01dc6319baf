package recording

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// azureCloud is an Azure that the fleet's virtual machines run in.
type azureCloud struct {
	*stage.Azure
	forger entra.Key
}

// newAzure makes an Azure until ctx ends, with files below dir.
func newAzure(ctx context.Context, dir string) (*azureCloud, error) {
	cloud, err := stage.NewAzure(ctx, dir, tenant, subscriptions[0])
	if err != nil {
		return nil, err
	}
	return &azureCloud{Azure: cloud, forger: entra.NewKey(cloud.Key().ID)}, nil
}

// boot makes Resource Manager know a machine, and returns what its agent sends.
func (c *azureCloud) boot(m VM, now time.Time) ([]byte, error) {
	place := *c.Azure
	place.Tenant, place.Subscription, place.ResourceGroup = m.Tenant, m.Subscription, m.ResourceGroup
	vm := place.VM(m.Name, m.Principal)
	vm.Machine.Location, vm.Machine.Tags = &m.Location, map[string]*string{"env": &m.Env}
	groups, _, _ := strings.Cut(*vm.NIC.Properties.NetworkSecurityGroup.ID, "Web-NSG")
	vm.NIC.Properties.NetworkSecurityGroup = &armnetwork.SecurityGroup{ID: new(groups + m.Group)}
	if !m.Unknown {
		c.Put(vm)
	}
	key := c.Key()
	if m.Forged {
		key = c.forger
	}
	payload, err := json.Marshal(map[string]string{"token": c.Authority.Issue(key, vm.Metadata.Identity, now).Sign()})
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return payload, nil
}

// env is the environment of a server that finds this Azure, and in it the
// credential by which machines of all subscriptions are looked up.
func (c *azureCloud) env(ctx context.Context) ([]string, error) {
	env, err := c.ServerEnv(ctx, nil)
	return append(env, "AZURE_TENANT_ID="+tenant, "AZURE_CLIENT_ID="+stage.AppID, "AZURE_CLIENT_SECRET="+stage.AppSecret), err
}

// pluginData is what the server is configured with. By the quota of Resource Graph, or
// for machines that may turn up yet, all would wait a minute longer.
func (c *azureCloud) pluginData() string {
	return fmt.Sprintf("            tenants = { %q = {} }\n            resource_graph = false\n            cache { recheck = \"1s\" }\n", tenant) + common("azure_msi")
}
