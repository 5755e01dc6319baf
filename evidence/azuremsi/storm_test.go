package azuremsi_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// storm has a fleet attest, all at once or one after another within a time, and
// returns what each got and how long all took. A call takes 50 ms.
func storm(t *testing.T, n int, within time.Duration, arrange func(a *azure), options ...func(*azuremsi.Options)) (got []map[string]evidence.Fact, calls []string, took time.Duration) {
	t.Helper()
	a := usual(t)
	fleet := a.addFleet(n)
	a.took = 50 * time.Millisecond
	a.answerGraph(t, nil)
	if arrange != nil {
		arrange(a)
	}
	authority, c := collectorFor(t, a, append(options, func(o *azuremsi.Options) { o.Now = time.Now })...)
	// Verified beforehand, as signatures take time of their own.
	nodes := make([]evidence.Evidence, n)
	for i, m := range fleet {
		ev, problem := verify(t, c, tokenOf(authority, m))
		if problem != "" {
			t.Fatal(problem)
		}
		nodes[i] = ev
	}
	got = make([]map[string]evidence.Fact, n)
	began := time.Now()
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() { got[i] = node.Gather(t.Context(), both) })
		time.Sleep(within / time.Duration(n))
	}
	all.Wait()
	took = time.Since(began)
	synctest.Wait()
	return got, a.asked(), took
}

var tokens sync.Map

// tokenOf is a machine's token. Signing is most of what a storm costs a processor;
// in a bubble it is always the same moment, and so the same token.
func tokenOf(authority *entra.Authority, m entra.Machine) string {
	type moment struct {
		machine entra.Machine
		now     int64
	}
	now := time.Now()
	key := moment{m, now.Unix()}
	if token, ok := tokens.Load(key); ok {
		return token.(string)
	}
	token := authority.Issue(keys().a, m, now).Sign()
	tokens.Store(key, token)
	return token
}

// wantMember is what must be known of the i-th machine, wherever it comes from.
func wantMember(i int) map[string]evidence.Fact {
	_, vm, nic := member(i)
	machine := wantVM()
	machine.ID, machine.Name = strings.ToLower(*vm.ID), fmt.Sprint("Web-", 1000+i)
	network := wantNetwork()
	of := network.Interfaces[1]
	of.ID, of.Name, of.SubscriptionID, of.ResourceGroup = strings.ToLower(*nic.ID), fmt.Sprint("nic-", 1000+i), subscription, "web-rg"
	of.PrivateIPs = []string{fmt.Sprintf("10.0.%d.%d", i/250, i%250)}
	of.Subnets = network.Interfaces[0].Subnets
	network.Interfaces = []azuremsi.NetworkInterface{of}
	network.SecurityGroups = []azuremsi.SecurityGroup{}
	network.Subnets = of.Subnets
	return map[string]evidence.Fact{"virtual_machine": evidence.Known(machine), "network": evidence.Known(network)}
}

// names are the calls without what they are about, and how many there were.
func names(calls []string) map[string]int {
	count := map[string]int{}
	for _, call := range calls {
		name, _, _ := strings.Cut(call, " ")
		count[name]++
	}
	return count
}

func inStorm(t *testing.T, name string, f func(t *testing.T)) {
	keys() // made outside, as the bubble's time would stand still
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// TestStorm: a thousand machines cost 30 calls at most, whatever Resource Graph
// does, and all are told what is so.
func TestStorm(t *testing.T) {
	wantAll := func(t *testing.T, got []map[string]evidence.Fact) {
		t.Helper()
		for i := range got {
			if want := wantMember(i); !reflect.DeepEqual(got[i], want) {
				t.Fatalf("machine %d:\n got %+v\nwant %+v", i, got[i], want)
			}
		}
	}
	for name, test := range map[string]struct {
		machines int
		within   time.Duration
		arrange  func(a *azure)
		options  []func(*azuremsi.Options)
		calls    int
	}{
		"all at once":   {1000, 0, nil, nil, 30},
		"in a second":   {1000, time.Second, nil, nil, 30},
		"in 10 seconds": {300, 10 * time.Second, nil, nil, 60},
		"which Resource Graph doesn't know yet": {1000, 0, func(a *azure) {
			a.answerGraph(t, func(string) bool { return true })
		}, nil, 30},
		"half of which it doesn't know yet": {300, time.Second, func(a *azure) {
			a.answerGraph(t, func(id string) bool { return id[len(id)-1]%2 == 0 })
		}, nil, 30},
		"without Resource Graph": {300, 0, func(a *azure) {
			a.graph = func(armresourcegraph.QueryRequest) (any, error) {
				return nil, &azcore.ResponseError{StatusCode: http.StatusNotFound, ErrorCode: "NoRegisteredProviderFound"}
			}
		}, nil, 30},
		"where it is not wanted": {300, 0, func(a *azure) { a.graph = nil }, []func(*azuremsi.Options){
			func(o *azuremsi.Options) { o.WithoutResourceGraph = true },
		}, 30},
		"which it has twice, so that it isn't believed": {300, 0, func(a *azure) {
			graph := a.graph
			a.graph = func(q armresourcegraph.QueryRequest) (any, error) {
				rows, err := graph(q)
				return append(rows.([]any), rows.([]any)...), err
			}
		}, nil, 30},
		"about whom it answers of others": {300, 0, func(a *azure) {
			graph := a.graph
			a.graph = func(q armresourcegraph.QueryRequest) (any, error) {
				rows, err := graph(q)
				return append(rows.([]any), map[string]any{"id": vmID}), err
			}
		}, nil, 30},
		"whose answers are swapped": {300, 0, func(a *azure) {
			graph := a.graph
			a.graph = func(q armresourcegraph.QueryRequest) (any, error) {
				rows, err := graph(q)
				list := rows.([]any)
				for i := range list {
					// Each has another's ID, and so another's identity and addresses.
					next := list[(i+1)%len(list)].(map[string]any)
					mine := list[i].(map[string]any)
					if i+1 < len(list) {
						mine["id"], next["id"] = next["id"], mine["id"]
					}
				}
				return list, err
			}
		}, nil, 1 << 20},
	} {
		inStorm(t, name, func(t *testing.T) {
			got, calls, _ := storm(t, test.machines, test.within, test.arrange, test.options...)
			if name == "whose answers are swapped" {
				// Interfaces say nothing of their machine: those can't be told. Machines
				// can, by the identity that they don't hold.
				for i := range got {
					if want := wantMember(i)["virtual_machine"]; !reflect.DeepEqual(got[i]["virtual_machine"], want) {
						t.Fatalf("machine %d:\n got %+v\nwant %+v", i, got[i]["virtual_machine"], want)
					}
				}
			} else {
				wantAll(t, got)
			}
			if len(calls) > test.calls {
				t.Errorf("%d calls, want %d at most: %v", len(calls), test.calls, names(calls))
			}
		})
	}
}

// TestStormOfOneBad: what one machine is refused for is no other's problem.
func TestStormOfOneBad(t *testing.T) {
	for name, arrange := range map[string]func(a *azure, id string){
		"gone": func(a *azure, id string) { delete(a.vms, id) },
		"of another identity": func(a *azure, id string) {
			vm := a.vms[id]
			vm.Identity = &armcompute.VirtualMachineIdentity{PrincipalID: ptr(otherTenant)}
			a.vms[id] = vm
		},
	} {
		inStorm(t, name, func(t *testing.T) {
			_, bad, _ := member(7)
			got, calls, _ := storm(t, 100, 0, func(a *azure) { arrange(a, strings.ToLower(*bad.ID)) })
			for i := range got {
				if i == 7 {
					if got[i]["virtual_machine"].Status != evidence.StatusAbsent {
						t.Errorf("the bad one: got %+v", got[i])
					}
				} else if want := wantMember(i); !reflect.DeepEqual(got[i], want) {
					t.Fatalf("machine %d:\n got %+v\nwant %+v", i, got[i], want)
				}
			}
			if len(calls) > 10 {
				t.Errorf("%d calls: %v", len(calls), names(calls))
			}
		})
	}
}

// TestStormGraphIsStale: Resource Graph still knows the machines that these were
// made anew from, under their old names. None is denied for that.
func TestStormGraphIsStale(t *testing.T) {
	inStorm(t, "all", func(t *testing.T) {
		got, calls, _ := storm(t, 300, 0, func(a *azure) {
			graph := a.graph
			a.graph = func(q armresourcegraph.QueryRequest) (any, error) {
				rows, err := graph(q)
				for _, row := range rows.([]any) {
					if identity, ok := row.(map[string]any)["identity"].(map[string]any); ok {
						identity["principalId"] = otherTenant
					}
				}
				return rows, err
			}
		})
		for i := range got {
			if want := wantMember(i); !reflect.DeepEqual(got[i], want) {
				t.Fatalf("machine %d:\n got %+v\nwant %+v", i, got[i], want)
			}
		}
		if len(calls) > 20 {
			t.Errorf("%d calls: %v", len(calls), names(calls))
		}
	})
}

// TestStormWithoutLists: who may read each machine, and list none, is told each.
func TestStormWithoutLists(t *testing.T) {
	inStorm(t, "all", func(t *testing.T) {
		got, _, _ := storm(t, 50, 0, func(a *azure) {
			a.noLists = true
			a.answerGraph(t, func(string) bool { return true })
		})
		for i := range got {
			if want := wantMember(i); !reflect.DeepEqual(got[i], want) {
				t.Fatalf("machine %d:\n got %+v\nwant %+v", i, got[i], want)
			}
		}
	})
}

// TestStormOfSearches: machines that their tokens don't name are found together.
func TestStormOfSearches(t *testing.T) {
	inStorm(t, "all", func(t *testing.T) {
		a := usual(t)
		fleet := a.addFleet(500)
		a.took = 50 * time.Millisecond
		a.answerGraph(t, nil)
		byID := a.graph
		a.graph = func(q armresourcegraph.QueryRequest) (any, error) {
			if !strings.Contains(*q.Query, "principalId in~") {
				q.Subscriptions = []*string{ptr(subscription)}
				return byID(q)
			}
			var rows []any
			for i := range fleet {
				token, vm, _ := member(i)
				if strings.Contains(*q.Query, "'"+token.Principal+"'") {
					rows = append(rows, map[string]any{"id": *vm.ID, "principalId": token.Principal})
				}
			}
			return rows, nil
		}
		authority, c := collectorFor(t, a, func(o *azuremsi.Options) { o.Now = time.Now })
		var all sync.WaitGroup
		for i, m := range fleet {
			m.ManagedIdentity, m.Audience = "", "api://gatehouse"
			ev, problem := verify(t, c, tokenOf(authority, m))
			if problem != "" {
				t.Fatal(problem)
			}
			all.Go(func() {
				if got, want := ev.Gather(t.Context(), both), wantMember(i); !reflect.DeepEqual(got, want) {
					t.Errorf("machine %d:\n got %+v\nwant %+v", i, got, want)
				}
			})
		}
		all.Wait()
		if calls := a.asked(); len(calls) > 20 {
			t.Errorf("%d calls: %v", len(calls), names(calls))
		}
		synctest.Wait()
	})
}
