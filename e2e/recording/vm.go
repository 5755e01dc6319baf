package recording

import (
	"fmt"
	"math/rand/v2"
)

// A VM is a virtual machine of Azure.
type VM struct {
	Schedule

	Name, Principal, Tenant, Subscription, ResourceGroup, Location string

	Env   string // tag
	Group string // network security group

	Forged  bool // whoever signed its token is not Entra ID
	Unknown bool // to Resource Manager
}

// Of the tenants only the first is configured.
const (
	tenant      = "9e85e111-1103-48fc-a933-9533fe47de05"
	otherTenant = "dd14e835-679a-4703-b4de-8f00a20c732e"
)

var subscriptions = []string{"0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11", "1b8e6c4d-3c9f-5d2a-8a7c-1e0b7a3a5f22"}

// newVM draws the i-th of so many. Of ten one each is rare in some way.
func newVM(random *rand.Rand, i, of int) VM {
	m := VM{
		Schedule: scheduled(i, of),
		Name:     fmt.Sprintf("vm-%d", i), Principal: fmt.Sprintf("%08x-5bfa-4b22-a3f3-%012x", random.Uint32(), random.Uint64N(1<<48)),
		Tenant: tenant, Subscription: one(random, subscriptions...), ResourceGroup: one(random, "Web-RG", "Data-RG"),
		Location: one(random, "westeurope", "eastus"), Env: one(random, "prod", "dev"), Group: one(random, "Web-NSG", "Data-NSG"),
	}
	switch i % 10 {
	case 3:
		m.Tenant = otherTenant
	case 5:
		m.Forged = true
	case 7:
		m.Unknown = true
	}
	return m
}
