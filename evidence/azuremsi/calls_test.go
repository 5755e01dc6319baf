package azuremsi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/evidence/evidencetest"
)

// TestCallsAreReported: each call is, once, by the name that Azure's roles have for
// it, with the tries that were throttled.
func TestCallsAreReported(t *testing.T) {
	inStorm(t, "all", func(t *testing.T) {
		a := usual(t)
		a.took = time.Second
		a.status = http.StatusTooManyRequests
		time.AfterFunc(1500*time.Millisecond, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.status = 0
		})
		delete(a.interfaces, strings.ToLower(foreignNICID))
		authority, c := collectorFor(t, a, func(o *azuremsi.Options) { o.Now = time.Now })
		obs := &evidencetest.Heard{}
		ctx := evidence.WithObserver(t.Context(), obs)
		ev, err := c.Verify(ctx, payload(t, authority.Issue(keys().a, vm(), time.Now()).Sign()))
		if err != nil {
			t.Fatal(err)
		}
		ev.Gather(ctx, []string{"virtual_machine", "network"})
		synctest.Wait()
		var got []string
		for _, call := range obs.Calls {
			got = append(got, fmt.Sprintf("%s %v %d %v", call.API, call.Elapsed, call.Throttled, call.Err))
		}
		slices.Sort(got)
		want := []string{
			"Microsoft.Compute/virtualMachines/read 5s 1 <nil>",
			"Microsoft.Network/networkInterfaces/read 1s 0 <nil>",
			"Microsoft.Network/networkInterfaces/read 1s 0 not found (ResourceNotFound)",
			"entra:keys 0s 0 <nil>", "entra:keys 0s 0 <nil>",
			"entra:openid-configuration 0s 0 <nil>", "entra:openid-configuration 0s 0 <nil>",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
