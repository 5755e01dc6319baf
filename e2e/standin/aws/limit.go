package aws

import (
	"sync"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/standin"
)

// limits are token buckets, one for each account, region and limited action, as
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html has them.
type limits struct {
	mu      sync.Mutex
	rates   map[string]rate // by action
	buckets map[Call]*standin.Bucket
}

type rate struct{ burst, perSecond int }

// Limit lets so many calls of an action through at once, and then so many a
// second, for each account and region. It fills their buckets anew. Calls are
// not limited if burst is 0.
func (s *Server) Limit(action string, burst, perSecond int) {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	if s.limits.rates == nil {
		s.limits.rates = map[string]rate{}
	}
	s.limits.rates[action] = rate{burst, perSecond}
	s.limits.buckets = map[Call]*standin.Bucket{}
}

// admit says whether a call may go through now.
func (l *limits) admit(call Call, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit, ok := l.rates[call.Action]
	if !ok {
		return true
	}
	key := Call{Action: call.Action, Account: call.Account, Region: call.Region}
	if l.buckets[key] == nil {
		l.buckets[key] = new(standin.NewBucket(limit.burst, limit.perSecond, now))
	}
	return l.buckets[key].Take(now)
}

// throttled is the answer of a service to those who ask too often.
func throttled(service string) *Error {
	if service == "ec2" {
		return Throttled()
	}
	return badRequest("Throttling", "Rate exceeded")
}
