package azuremsi_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestGatherCaches runs on a clock of its own.
func TestGatherCaches(t *testing.T) {
	keys()
	run := func(name string, f func(t *testing.T, a *azure, ask func() evidence.Fact)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := usual(t)
				authority, c := collectorFor(t, a, func(o *azuremsi.Options) { o.Now = time.Now })
				f(t, a, func() evidence.Fact {
					return gather(t, authority, c, authority.Issue(keys().a, vm(), time.Now()))["virtual_machine"]
				})
				synctest.Wait()
			})
		})
	}
	run("a thousand ask at once", func(t *testing.T, a *azure, ask func() evidence.Fact) {
		a.took = time.Second
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if got := ask(); got.Status != evidence.StatusKnown {
					t.Errorf("got %+v", got)
				}
			})
		}
		all.Wait()
		if calls := a.asked(); len(calls) != 3 {
			t.Errorf("%d calls: %q", len(calls), calls)
		}
	})
	run("a negative answer is asked for again before it denies", func(t *testing.T, a *azure, ask func() evidence.Fact) {
		clear(a.vms)
		if got := ask(); got.Status != evidence.StatusAbsent {
			t.Errorf("got %+v", got)
		}
		a.vms[strings.ToLower(vmID)] = machine()
		time.Sleep(4 * time.Second)
		if got := ask(); got.Status != evidence.StatusKnown {
			t.Errorf("got %+v", got)
		}
		edit(a, func(vm *armcompute.VirtualMachine) { vm.Identity = nil })
		time.Sleep(time.Minute + time.Second)
		if got := ask(); got.Status != evidence.StatusAbsent {
			t.Errorf("got %+v", got)
		}
		edit(a, func(vm *armcompute.VirtualMachine) { vm.Identity = machine().Identity })
		time.Sleep(4 * time.Second)
		if got := ask(); got.Status != evidence.StatusKnown {
			t.Errorf("got %+v", got)
		}
	})
	run("also that of an interface", func(t *testing.T, a *azure, ask func() evidence.Fact) {
		authority, c := collectorFor(t, a, func(o *azuremsi.Options) { o.Now = time.Now })
		network := func() evidence.Fact {
			return gather(t, authority, c, authority.Issue(keys().a, vm(), time.Now()))["network"]
		}
		attached := a.interfaces[strings.ToLower(nicID)]
		delete(a.interfaces, strings.ToLower(nicID))
		if got := network(); got.Status != evidence.StatusError {
			t.Errorf("got %+v", got)
		}
		a.interfaces[strings.ToLower(nicID)] = attached
		time.Sleep(4 * time.Second)
		if got := network(); got.Status != evidence.StatusKnown {
			t.Errorf("got %+v", got)
		}
	})
	run("and that of a search", func(t *testing.T, a *azure, ask func() evidence.Fact) {
		rows := []any{}
		a.graph = func(armresourcegraph.QueryRequest) (any, error) { return rows, nil }
		authority, c := collectorFor(t, a, func(o *azuremsi.Options) { o.Now = time.Now })
		search := func() evidence.Fact {
			m := entra.Machine{Tenant: tenantID, Principal: principalID, Audience: "api://gatehouse"}
			return gather(t, authority, c, authority.Issue(keys().a, m, time.Now()))["virtual_machine"]
		}
		if got := search(); got.Status != evidence.StatusAbsent {
			t.Errorf("got %+v", got)
		}
		rows = []any{map[string]any{"id": vmID, "principalId": principalID}} // Resource Graph lags behind
		time.Sleep(4 * time.Second)
		if got := search(); got.Status != evidence.StatusKnown {
			t.Errorf("got %+v", got)
		}
	})
	run("time is over", func(t *testing.T, a *azure, ask func() evidence.Fact) {
		a.took = time.Hour
		authority, c := collectorFor(t, a, func(o *azuremsi.Options) { o.Now = time.Now })
		ev, problem := verify(t, c, authority.Issue(keys().a, vm(), time.Now()).Sign())
		if problem != "" {
			t.Fatal(problem)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		got := ev.Gather(ctx, both)
		if got["network"].Status != evidence.StatusError || !errors.Is(got["virtual_machine"].Err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %s got %+v", time.Since(began), got)
		}
		time.Sleep(time.Minute) // the load goes on, for a stated time
	})
	run("throttled, then not", func(t *testing.T, a *azure, ask func() evidence.Fact) {
		a.status = http.StatusTooManyRequests
		time.AfterFunc(2*time.Second, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.status = 0
		})
		began := time.Now()
		if got := ask(); got.Status != evidence.StatusKnown || time.Since(began) != 3*time.Second {
			t.Errorf("after %s got %+v", time.Since(began), got)
		}
	})
}
