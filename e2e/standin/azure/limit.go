package azure

import "time"

// limit is a token bucket, as Resource Manager has one for each caller and
// subscription: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
type limit struct {
	burst, perSecond float64 // no limit if 0
	left             float64
	since            time.Time
	refused          int
}

// Limit lets so many calls through at once, and then so many a second. Others are
// told to come back in a second.
func (m *Manager) Limit(burst, perSecond int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit = limit{burst: float64(burst), perSecond: float64(perSecond), left: float64(burst), since: time.Now()}
}

// Throttled is how many calls were refused since Limit.
func (m *Manager) Throttled() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.limit.refused
}

// admit says whether a call may go through now. The caller holds the lock.
func (l *limit) admit(now time.Time) bool {
	if l.burst == 0 {
		return true
	}
	l.left = min(l.burst, l.left+l.perSecond*now.Sub(l.since).Seconds())
	l.since = now
	if l.left < 1 {
		l.refused++
		return false
	}
	l.left--
	return true
}
