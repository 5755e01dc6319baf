package e2e_test

import (
	"fmt"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// TestAzureFleetUnderLimits has machines attest all at once, more than Resource
// Manager's limits allow. Each waits for its turn; none is sent away. Each costs
// two calls, one for the machine and one for its interface.
func TestAzureFleetUnderLimits(t *testing.T) {
	const machines, burst, perSecond = 150, 40, 40
	s := startAzure(t, azureSecret)
	fleet := make([]stage.VM, machines)
	for i := range fleet {
		fleet[i] = s.vm(fmt.Sprintf("web-%d", i), azureNumbered(i))
	}
	s.Manager.Limit(burst, perSecond)
	errs := s.attestAll(t, machines, machines, func(i int) []byte { return azurePayload(t, s.Token(fleet[i].Metadata.Identity)) })
	for i, err := range errs {
		if err != nil {
			t.Errorf("machine %d: %v", i, err)
		}
	}
	if calls := len(s.Manager.Calls()); calls != 2*machines {
		t.Errorf("%d calls, want %d", calls, 2*machines)
	}
	if s.Manager.Throttled() == 0 {
		t.Error("nothing was throttled: the test shows nothing")
	}
	if got := len(s.agents(t)); got != machines {
		t.Errorf("%d agents, want %d", got, machines)
	}
}
