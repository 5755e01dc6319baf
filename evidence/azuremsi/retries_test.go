package azuremsi_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// TestOutageEnds: a call that is under way when Resource Manager comes back has its
// answer within a second, however long the outage was.
func TestOutageEnds(t *testing.T) {
	const outage = 15 * time.Second
	keys()
	for name, answer := range map[string]func() (*http.Response, error){
		"failed":      func() (*http.Response, error) { return answered(http.StatusInternalServerError), nil },
		"unavailable": func() (*http.Response, error) { return answered(http.StatusServiceUnavailable), nil },
		"no answer":   func() (*http.Response, error) { return nil, errors.New("connection reset by peer") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, calls := time.Now(), 0
				authority, c := collectorFor(t, usual(t), func(o *azuremsi.Options) {
					o.Now = time.Now
					next := o.ResourceManager
					o.ResourceManager = transport(func(r *http.Request) (*http.Response, error) {
						if time.Since(began) < outage {
							calls++
							return answer()
						}
						return next.Do(r)
					})
				})
				fact := gather(t, authority, c, authority.Issue(keys().a, vm(), time.Now()))["virtual_machine"]
				if fact.Status != evidence.StatusKnown {
					t.Errorf("got %+v", fact)
				}
				if late := time.Since(began) - outage; late < 0 || late > time.Second {
					t.Errorf("known %s after the outage", late)
				}
				if calls != 15 {
					t.Errorf("%d calls in %s", calls, outage)
				}
				synctest.Wait()
			})
		})
	}
}

// answered is an answer without a word.
func answered(status int) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}
}
