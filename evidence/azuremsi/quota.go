package azuremsi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/sleep"
)

// quotas are how much Resource Graph lets each tenant's credential ask. It is told
// in the headers of its answers:
// https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
type quotas struct {
	mu      sync.Mutex
	tenants map[string]*quota // of those with a credential, whose number is bounded
}

func newQuotas() *quotas { return &quotas{tenants: map[string]*quota{}} }

func (q *quotas) of(tenant string) *quota {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.tenants[tenant] == nil {
		q.tenants[tenant] = &quota{}
	}
	return q.tenants[tenant]
}

// quota is what is left of one.
type quota struct {
	mu   sync.Mutex
	from time.Time // when the next query may be sent

	paused time.Time // until when no resources are read from it
}

// wait waits until a query may be sent.
func (q *quota) wait(ctx context.Context) error {
	q.mu.Lock()
	wait := time.Until(q.from)
	q.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	return sleep.For(ctx, wait)
}

// pause leaves Resource Graph alone for a while.
func (q *quota) pause() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paused = time.Now().Add(graphPause)
}

func (q *quota) isPaused() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Now().Before(q.paused)
}

// update takes what an answer says: nothing, of one that didn't come.
func (q *quota) update(response *http.Response) {
	if response == nil {
		return
	}
	left, err := strconv.Atoi(response.Header.Get("x-ms-user-quota-remaining"))
	resets, ok := parseClock(response.Header.Get("x-ms-user-quota-resets-after"))
	if err != nil || !ok || left > 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.from = time.Now().Add(resets)
}

// parseClock reads hh:mm:ss. No quota takes longer than maxQuotaWait to come back.
func parseClock(text string) (time.Duration, bool) {
	var h, m, s uint8
	if n, err := fmt.Sscanf(text, "%02d:%02d:%02d", &h, &m, &s); n != 3 || err != nil {
		return 0, false
	}
	return min(time.Duration(h)*time.Hour+time.Duration(m)*time.Minute+time.Duration(s)*time.Second, maxQuotaWait), true
}
