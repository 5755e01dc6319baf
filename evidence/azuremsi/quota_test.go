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
		var sent []time.Duration
		start := time.Now()
		headers := func(o *azuremsi.Options) {
			next := o.ResourceManager
			o.ResourceManager = transport(func(r *http.Request) (*http.Response, error) {
				graph := strings.HasSuffix(strings.ToLower(r.URL.Path), "resourcegraph/resources")
				if graph {
					mu.Lock()
					sent = append(sent, time.Since(start))
					mu.Unlock()
				}
				response, err := next.Do(r)
				if err == nil && graph {
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
		for i := 1; i < len(sent); i++ {
			if sent[i]-sent[i-1] < 5*time.Second {
				t.Errorf("queries sent at %v", sent)
			}
		}
		if len(sent) < 2 {
			t.Errorf("queries sent at %v after %v: the test shows nothing", sent, took)
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) Do(r *http.Request) (*http.Response, error) { return f(r) }
