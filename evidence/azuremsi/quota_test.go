package azuremsi_test

import (
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// TestQuota: no query is sent before Resource Graph allows one again.
func TestQuota(t *testing.T) {
	inStorm(t, "all", func(t *testing.T) {
		var mu sync.Mutex
		var until time.Time // when there is quota again, as the answers say
		queries := 0
		headers := func(o *azuremsi.Options) {
			next := o.ResourceManager
			o.ResourceManager = transport(func(r *http.Request) (*http.Response, error) {
				graph := strings.HasSuffix(strings.ToLower(r.URL.Path), "resourcegraph/resources")
				mu.Lock()
				if graph && time.Now().Before(until) {
					t.Errorf("a query is sent %v too early", time.Until(until))
				}
				mu.Unlock()
				response, err := next.Do(r)
				if err == nil && graph {
					mu.Lock()
					queries, until = queries+1, time.Now().Add(5*time.Second)
					mu.Unlock()
					response.Header.Set("x-ms-user-quota-remaining", "0")
					response.Header.Set("x-ms-user-quota-resets-after", "00:00:05")
				}
				return response, err
			})
		}
		got, _, took := storm(t, 30, 0, nil, headers)
		for i := range got {
			if want := wantMember(i); !reflect.DeepEqual(got[i], want) {
				t.Fatalf("machine %d: got %+v", i, got[i])
			}
		}
		if queries < 2 || took < 5*time.Second {
			t.Errorf("%d queries in %v: nobody had to wait", queries, took)
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) Do(r *http.Request) (*http.Response, error) { return f(r) }
