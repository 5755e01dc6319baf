package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// AzureRates are those of Azure; 0 for no limit. Resource Graph's quota, 15 queries
// in 5 seconds, is always in force.
type AzureRates struct {
	Latency time.Duration // of each call

	// Calls of Resource Manager are let through in a burst, and then so many a second:
	// https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
	Burst, PerSecond int
}

// Azure is a subscription with a fleet of virtual machines.
type Azure struct {
	cloud *stage.Azure
	env   []string
	dir   string
}

const (
	tenant       = "9e85e111-1103-48fc-a933-9533fe47de05"
	subscription = "0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11"
)

// NewAzure makes a subscription until ctx ends, with files below dir.
func NewAzure(ctx context.Context, dir string) (*Azure, error) {
	cloud, err := stage.NewAzure(ctx, dir, tenant, subscription)
	if err != nil {
		return nil, err
	}
	env, err := cloud.ServerEnv(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &Azure{cloud: cloud, env: env, dir: dir}, nil
}

// Fleet boots machines. There is one to a subscription.
func (a *Azure) Fleet(nodes int) (Fleet, error) {
	file, err := os.Create(filepath.Join(a.dir, "azure.payloads"))
	if err != nil {
		return Fleet{}, fmt.Errorf("bench: %w", err)
	}
	defer file.Close()
	fleet := Fleet{Payloads: file.Name()}
	for i := range nodes {
		vm := a.cloud.VM(fmt.Sprintf("web-%d", i), fmt.Sprintf("00000000-0000-4000-8000-%012x", i))
		a.cloud.Put(vm)
		payload, err := json.Marshal(map[string]string{"token": a.cloud.Token(vm.Metadata.Identity).Sign()})
		if err != nil {
			return Fleet{}, fmt.Errorf("bench: %w", err)
		}
		if _, err := fmt.Fprintf(file, "%s\n", payload); err != nil {
			return Fleet{}, fmt.Errorf("bench: %w", err)
		}
		fleet.IDs = append(fleet.IDs, *vm.Machine.ID)
	}
	return fleet, nil
}

// Job is that of Gatehouse's program, or of the built-in if that is empty.
func (a *Azure) Job(kind, program string, fleet Fleet) Job {
	return Job{
		Kind: kind, Plugin: "azure_msi", Program: program, PluginData: a.pluginData(),
		Payloads: fleet.Payloads, Nodes: len(fleet.IDs),
	}
}

func (a *Azure) pluginData() string {
	return "tenants = { " + tenantBlock(tenant) + " }"
}

func tenantBlock(id string) string {
	return fmt.Sprintf("%q = {\nsubscription_id = %q\napp_id = %q\napp_secret = %q\n}\n", id, subscription, stage.AppID, stage.AppSecret)
}

// ManyTenants is plugin_data with so many tenants, the fleet's among them.
func (a *Azure) ManyTenants(count int) string {
	text := "tenants = {\n" + tenantBlock(tenant)
	for i := range count - 1 {
		text += tenantBlock(fmt.Sprintf("00000000-0000-4000-9000-%012x", i))
	}
	return text + "}"
}

// Reset fills the bucket, and forgets the calls.
func (a *Azure) Reset(rates AzureRates) {
	a.cloud.Manager.Delay(rates.Latency)
	a.cloud.Manager.Limit(rates.Burst, rates.PerSecond)
	a.cloud.Manager.Forget()
}

// Calls are those since Reset, by operation; those that Resource Manager refused
// are together.
func (a *Azure) Calls() map[string]int {
	calls := map[string]int{}
	for _, call := range a.cloud.Manager.Calls() {
		calls[call.Operation]++
	}
	if refused := a.cloud.Manager.Throttled(); refused > 0 {
		calls["refused"] = refused
	}
	return calls
}

// Env is the environment of a process whose attestor finds this Azure.
func (a *Azure) Env() []string { return a.env }
