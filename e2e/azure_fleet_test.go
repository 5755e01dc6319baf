package e2e_test

import (
	"fmt"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// TestAzureFleetUnderLimits has machines attest all at once, under limits that let
// next to no calls through. All get in, for a handful of calls: most are read
// together, from Resource Graph and, as that doesn't know half of them yet, from
// lists.
func TestAzureFleetUnderLimits(t *testing.T) {
	const machines, burst, perSecond = 150, 2, 2
	s := startAzure(t, azureSecret)
	fleet := make([]stage.VM, machines)
	for i := range fleet {
		fleet[i] = s.vm(fmt.Sprintf("web-%d", i), azureNumbered(i))
		if i%2 == 0 {
			s.Manager.Hide(*fleet[i].Machine.ID, *fleet[i].NIC.ID)
		}
	}
	s.Manager.Limit(burst, perSecond)
	errs := s.attestAll(t, machines, machines, func(i int) []byte { return azurePayload(t, s.Token(fleet[i].Metadata.Identity)) })
	for i, err := range errs {
		if err != nil {
			t.Errorf("machine %d: %v", i, err)
		}
	}
	if calls := s.Manager.Calls(); len(calls) > 30 {
		t.Errorf("%d calls, want 30 at most: %v", len(calls), calls)
	}
	if s.Manager.Throttled() == 0 {
		t.Error("nothing was throttled: the test shows nothing")
	}
	if got := len(s.agents(t)); got != machines {
		t.Errorf("%d agents, want %d", got, machines)
	}
}
