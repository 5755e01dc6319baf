package azure

import (
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/standin"
)

// Limit lets so many calls through at once, and then so many a second, as Resource
// Manager does for each caller and subscription. Others are told to come back in a
// second: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
func (m *Manager) Limit(burst, perSecond int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bucket, m.refused = standin.NewBucket(burst, perSecond, time.Now()), 0
}

// Throttled is how many calls were refused since Limit.
func (m *Manager) Throttled() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused
}

// admit says whether a call may go through now. The caller holds the lock.
func (m *Manager) admit(now time.Time) bool {
	if m.bucket.Take(now) {
		return true
	}
	m.refused++
	return false
}

// Delay has every answer take so much longer.
func (m *Manager) Delay(latency time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latency = latency
}
