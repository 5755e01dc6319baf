package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// TestAzureFleetUnderLimits has machines attest all at once, under limits that let a call a
// second through. A fact may take twenty seconds: that all machines get in, each with two
// facts, shows that most are read together, from Resource Graph and, as that doesn't know
// half of them yet, from lists. Were eight read together at most, most would be refused.
func TestAzureFleetUnderLimits(t *testing.T) {
	t.Parallel()
	const machines, burst, perSecond = 150, 1, 1
	s := startAzure(t, azureSecret+"\ncloud_timeout = \"4m\"\n")
	fleet := make([]stage.VM, machines)
	for i := range fleet {
		fleet[i] = s.vm(fmt.Sprintf("web-%d", i), azureNumbered(i))
		if i%3 == 0 {
			identity := &fleet[i].Metadata.Identity
			identity.ManagedIdentity = strings.ToLower(identity.ManagedIdentity)
		}
		if i%2 == 0 {
			s.Manager.Hide(*fleet[i].Machine.ID, *fleet[i].NIC.ID)
		}
	}
	s.Manager.Delay(latency)
	s.Manager.Limit(burst, perSecond)
	errs := s.attestAll(t, machines, machines, func(i int) []byte { return azurePayload(t, s.Token(fleet[i].Metadata.Identity)) })
	for i, err := range errs {
		if err != nil {
			t.Errorf("machine %d: %v", i, err)
		}
	}
	if s.Manager.Throttled() == 0 {
		t.Error("nothing was throttled: the test shows nothing")
	}
	// However a machine was read, and whatever case its token is in, its name is
	// spelt as Resource Manager does.
	var got, want []string
	for i, agent := range s.agents(t) {
		for _, selector := range agent.Selectors {
			if strings.HasPrefix(selector, "azure_msi:vm-name:") {
				got = append(got, selector)
			}
		}
		want = append(want, fmt.Sprintf("azure_msi:vm-name:Web-RG:web-%d", i))
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) != machines || !slices.Equal(got, want) {
		t.Errorf("agents have\n%q, want\n%q", got, want)
	}
}
