package awsiid_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

// inOrganization is a node whose organization has so many accounts.
func inOrganization(t testing.TB, accounts int) evidence.Evidence {
	all := []orgtypes.Account{{Id: new(member), State: "ACTIVE"}}
	for i := range accounts - 1 {
		id := fmt.Sprintf("2%011d", i)
		all = append(all, orgtypes.Account{Id: &id, State: "ACTIVE"})
	}
	c := &cloud{accounts: func(awsiid.Scope, *organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
		return &organizations.ListAccountsOutput{Accounts: all}, nil
	}}
	return newFleet(t, awsiid.Options{Clients: c, Organization: &fromAPI}).of(member)
}

// inClusters is a node in the last of so many clusters.
func inClusters(t testing.TB, count int) evidence.Evidence {
	all := clusters{}
	var names []string
	for i := range count {
		name := fmt.Sprintf("cluster-%04d", i)
		names = append(names, name)
		all[name] = map[string]map[string][]string{"workers": {name: {fmt.Sprintf("i-%08x", i)}}}
	}
	all[names[count-1]]["workers"]["mine"] = []string{testInstance}
	return newFleet(t, awsiid.Options{Clients: all.cloud(), EKSClusters: names}).node(testRegion, nil)
}

// flat are pairs of a small and a large world.
var flat = map[string]struct {
	fact         string
	small, large func(t testing.TB) evidence.Evidence
}{
	"10 and 10,000 accounts": {"organization",
		func(t testing.TB) evidence.Evidence { return inOrganization(t, 10) },
		func(t testing.TB) evidence.Evidence { return inOrganization(t, 10_000) }},
	"1 and 200 clusters": {"eks",
		func(t testing.TB) evidence.Evidence { return inClusters(t, 1) },
		func(t testing.TB) evidence.Evidence { return inClusters(t, 200) }},
}

// What a fact costs doesn't depend on how large the world is.
func TestFlatCost(t *testing.T) {
	for name, tc := range flat {
		t.Run(name, func(t *testing.T) {
			cost := func(node evidence.Evidence) float64 {
				if got := gather(t, node, tc.fact); got.Status != evidence.StatusKnown {
					t.Fatalf("got %+v", got)
				}
				least := math.Inf(1)
				for range 5 { // something else may go on in the background
					least = min(least, testing.AllocsPerRun(100, func() { gather(t, node, tc.fact) }))
				}
				return least
			}
			if small, large := cost(tc.small(t)), cost(tc.large(t)); large > small*1.2 {
				t.Errorf("%v allocations, and %v in the small", large, small)
			}
		})
	}
}

// BenchmarkFlatCost has the time of the same, beside that of verifying the evidence.
func BenchmarkFlatCost(b *testing.B) {
	for name, tc := range flat {
		for size, make := range map[string]func(testing.TB) evidence.Evidence{"small": tc.small, "large": tc.large} {
			b.Run(name+"/"+size, func(b *testing.B) {
				node := make(b)
				gather(b, node, tc.fact)
				for b.Loop() {
					gather(b, node, tc.fact)
				}
			})
		}
	}
}
