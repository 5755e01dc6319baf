package azuremsi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
	"github.com/spire-gatehouse/gatehouse/evidence/cache"
)

// TestAzureCaches: the bounds are the caches' and the batches', whose own tests try
// them on both sides, where an operator says nothing else.
func TestAzureCaches(t *testing.T) {
	l := DefaultLifetimes()
	for name, tc := range map[string]struct{ got, want cache.Options }{
		"keys": {keySetOptions(l), cache.Options{
			Name: "keys", Lifetime: keySetLifetime, Recheck: keySetRecheck, Retry: retryAfter, Stale: keySetStale,
			LoadTimeout: keySetTimeout, Patience: keySetPatience, Size: 2, Waiting: maxWaiting,
		}},
		"facts": {factOptions("fact", l), cache.Options{
			Name: "fact", Lifetime: factLifetime, Recheck: factRecheck, Retry: retryAfter, Stale: factLifetime,
			LoadTimeout: factTimeout, Size: factCacheSize, Waiting: maxWaiting,
		}},
		"lists": {listOptions("machine"), cache.Options{
			Name: "machine_list", Lifetime: listLifetime, Recheck: listRecheck, Retry: retryAfter, Stale: listLifetime,
			LoadTimeout: factTimeout, Size: maxLists, Waiting: maxWaiting,
		}},
		"credentials": {credentialOptions(), cache.Options{
			Name: "credential", Lifetime: credentialLifetime, Recheck: credentialRecheck, Retry: retryAfter, Stale: credentialLifetime,
			LoadTimeout: credentialTimeout, Size: MaxTenants, Waiting: maxWaiting,
		}},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got\n%+v, want\n%+v", name, tc.got, tc.want)
		}
	}
	want := batch.Options{
		Name: "machine", Size: batchSize, Concurrency: 2, Pace: 500 * time.Millisecond, Patience: 2 * time.Second, Waiting: 5000, Timeout: factTimeout,
	}
	if got := batchOptions("machine"); got != want {
		t.Errorf("a batch: got\n%+v, want\n%+v", got, want)
	}
	groups, err := newSpellings()
	if err != nil {
		t.Fatal(err)
	}
	for i := range factCacheSize + 1 {
		groups.learn(listKey{resourceGroup: fmt.Sprint(i)}, "G")
	}
	_, first := groups.of(listKey{resourceGroup: "0"})
	if _, second := groups.of(listKey{resourceGroup: "1"}); first || !second {
		t.Errorf("the first spelling is kept: %t, and the second: %t", first, second)
	}
}

// TestTenantsInUse: so many tenants have a credential, and no other.
func TestTenantsInUse(t *testing.T) {
	c := &credentials{made: map[string]*madeCredential{}, newDefault: func(string) (azcore.TokenCredential, error) { return fakeCredential{}, nil }}
	for i := range MaxTenants - 1 {
		c.made[fmt.Sprint(i)] = &madeCredential{}
	}
	if _, err := c.make("last"); err != nil {
		t.Error(err)
	}
	if _, err := c.make("last"); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := c.make("more"); err == nil || err.Error() != "credentials for 8192 tenants are in use already" {
		t.Errorf("one more: got %v", err)
	}
}

type fakeCredential struct{}

func (fakeCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// transport is an Azure that answers in its own way.
type transport func(*http.Request) (*http.Response, error)

func (f transport) Do(r *http.Request) (*http.Response, error) { return f(r) }

// managerOf asks that Azure.
func managerOf(t *testing.T, f transport) resourceManager {
	t.Helper()
	cloud, err := NewCloud(CloudConfig{Name: "public"})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Cloud: cloud, ResourceManager: f, Log: func(string) {}, DefaultCredential: func(string) (azcore.TokenCredential, error) { return fakeCredential{}, nil }}
	c, err := newCredentials(o, f)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newResourceManager(o, c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const graphTenant = "9e85e111-1103-48fc-a933-9533fe47de05"

// TestAzureRequests: a request that fails is made again so often, and one that hangs
// is given up.
func TestAzureRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		m := managerOf(t, func(r *http.Request) (*http.Response, error) {
			tries++
			if tries == 1 {
				began := time.Now()
				<-r.Context().Done()
				if took := time.Since(began); took != attemptTimeout {
					t.Errorf("a request was given up after %v, want %v", took, attemptTimeout)
				}
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Status: "503", Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
		})
		if _, err := m.queryGraph(t.Context(), graphTenant, "", "resources"); err == nil || tries != maxRetries+1 {
			t.Errorf("%d tries, %v, want the first and %d more", tries, err, maxRetries)
		}
	})
}

// TestGraphTime: resources are read elsewhere when Resource Graph doesn't answer in
// time, and for a while after it refused.
func TestGraphTime(t *testing.T) {
	const kind = "microsoft.compute/virtualmachines"
	id, err := parseResourceID("/subscriptions/0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11/resourcegroups/g/providers/" + kind + "/m")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		calls, refuses := 0, false
		m := managerOf(t, func(r *http.Request) (*http.Response, error) {
			calls++
			if refuses {
				return &http.Response{StatusCode: http.StatusForbidden, Status: "403", Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ask := func() error {
			_, err := m.graphMachines()(t.Context(), batchGroup{tenant: graphTenant}, []ResourceID{id})
			return err
		}
		began := time.Now()
		if err := ask(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != graphTimeout {
			t.Errorf("it hangs: got %v after %v, want %v", err, time.Since(began), graphTimeout)
		}
		refuses = true
		if err := ask(); !errors.Is(err, errRefused) {
			t.Errorf("it refuses: got %v", err)
		}
		before := calls
		time.Sleep(graphPause - 1)
		if err := ask(); !errors.Is(err, errNoGraph) || calls != before {
			t.Errorf("just before the pause is over: got %v after %d calls more", err, calls-before)
		}
		time.Sleep(time.Nanosecond)
		if err := ask(); !errors.Is(err, errRefused) || calls != before+1 {
			t.Errorf("when it is: got %v after %d calls more", err, calls-before)
		}
	})
}

// TestQuotaWait: Resource Graph doesn't get to say that it must be left alone for long.
func TestQuotaWait(t *testing.T) {
	at := fmt.Sprintf("00:00:%02d", int(maxQuotaWait.Seconds()))
	for text, want := range map[string]time.Duration{"00:00:09": 9 * time.Second, at: maxQuotaWait, "00:00:11": maxQuotaWait, "99:00:00": maxQuotaWait} {
		if got, ok := parseClock(text); got != want || !ok {
			t.Errorf("%s: got %v, %t, want %v", text, got, ok, want)
		}
	}
}

// TestGraphRows: an answer has as many rows as were asked for, or it may not be whole.
func TestGraphRows(t *testing.T) {
	if top := graphRequest("", "resources").Options.Top; *top != graphRows {
		t.Errorf("asks for %d rows, want %d", *top, graphRows)
	}
	answer := armresourcegraph.QueryResponse{Data: make([]any, graphRows)}
	if rows, err := rowsOf(answer); len(rows) != graphRows || err != nil {
		t.Errorf("got %d rows, %v", len(rows), err)
	}
	const beyond = "answered more than 1000 rows"
	if _, err := rowsOf(armresourcegraph.QueryResponse{Data: make([]any, graphRows+1)}); err == nil || err.Error() != beyond {
		t.Errorf("one more: got %v", err)
	}
	answer.SkipToken = new("more")
	if _, err := rowsOf(answer); err == nil || err.Error() != beyond {
		t.Errorf("the first page: got %v", err)
	}
}

// starts notes when each of several reads began, in seconds.
type starts struct {
	began time.Time
	mu    sync.Mutex
	at    []int
}

// read takes a second.
func (s *starts) read() {
	s.mu.Lock()
	s.at = append(s.at, int(time.Since(s.began).Seconds()))
	s.mu.Unlock()
	time.Sleep(time.Second)
}

// TestReadsAtOnce: how many are read together, and at once.
func TestReadsAtOnce(t *testing.T) {
	ids := func(n int) (all []ResourceID) {
		for i := range n {
			id, err := parseResourceID(fmt.Sprint("/subscriptions/0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11/resourcegroups/g/providers/microsoft.compute/virtualmachines/m", i))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, id)
		}
		return all
	}
	type text struct{ group string }
	for name, tc := range map[string]struct {
		n       int
		graph   bool // it knows all
		missing bool // Resource Manager doesn't
		want    []int
		queries int
		lists   int
	}{
		"a few, each by its ID":                      {few, true, false, []int{0, 0}, 0, 0},
		"more, in a query, and one for the spelling": {few + 1, true, false, []int{0}, 1, 0},
		"more, in a list":                            {few + 1, false, false, []int{0, 0, 0}, 1, 1},
		"by their IDs, so many at once":              {atOnce + 1, false, false, []int{0, 0, 0, 0, 1}, 1, 1},
		"the spelling of the gone":                   {maxSpellingReads + atOnce + 1, true, true, []int{0, 1, 2, 3, 3, 3, 3, 4}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, queries, lists := &starts{began: time.Now()}, 0, 0
				r, err := newReader("test",
					func(context.Context, resource) (text, error) {
						s.read()
						if tc.missing {
							return text{}, errNotFound
						}
						return text{"G"}, nil
					},
					func(_ context.Context, _ batchGroup, ids []ResourceID) (map[string]text, error) {
						queries++
						answer := map[string]text{}
						for _, id := range ids {
							if tc.graph {
								answer[id.ID] = text{"g"}
							}
						}
						return answer, nil
					},
					func(context.Context, listKey) (map[string]text, error) { lists++; return nil, errors.New("down") },
					func(v text, _ ResourceID) text { return v }, func(v *text) *string { return &v.group })
				if err != nil {
					t.Fatal(err)
				}
				all, err := r.load(t.Context(), batchGroup{tenant: graphTenant}, ids(tc.n))
				if err != nil || len(all) != tc.n || !slices.Equal(s.at, tc.want) || queries != tc.queries || lists != tc.lists {
					t.Errorf("%d results, %v; reads began at %v, want %v; %d queries, %d lists", len(all), err, s.at, tc.want, queries, lists)
				}
				r.lists.Close()
			})
		})
	}
	t.Run("interfaces of a machine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &starts{began: time.Now()}
			kept, err := cache.New(factOptions("network_interface", DefaultLifetimes()), func(context.Context, resource) (found[NetworkInterface], error) {
				s.read()
				return found[NetworkInterface]{direct: true}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			f := &facts{interfaces: &kind[NetworkInterface]{cache: kept}}
			var m machine
			for _, id := range ids(interfaceReaders + 1) {
				m.interfaces = append(m.interfaces, attachment{id: id})
			}
			if _, err := f.network(t.Context(), graphTenant, m); err != nil || !slices.Equal(s.at, []int{0, 0, 0, 0, 1}) {
				t.Errorf("%v; reads began at %v", err, s.at)
			}
			kept.Close()
		})
	})
}

// TestClientsAreBounded: clients are kept for so many subscriptions; of one more, the
// least recently used go.
func TestClientsAreBounded(t *testing.T) {
	s, err := newClientSets()
	if err != nil {
		t.Fatal(err)
	}
	of := func(i int) *clients { return s.of(batchGroup{"tenant", fmt.Sprint(i)}, fakeCredential{}, nil) }
	first := of(0)
	for i := range maxClients - 1 {
		of(i + 1)
	}
	if of(1); of(0) != first {
		t.Error("made anew although there was room")
	}
	second := of(1)
	of(0)
	if of(maxClients); of(0) != first || of(1) != second {
		t.Error("the most recently used are gone")
	}
	if got := s.sets.Len(); got != maxClients {
		t.Errorf("%d are kept, want %d", got, maxClients)
	}
}
