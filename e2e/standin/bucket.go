package standin

import "time"

// A Bucket is a token bucket, as clouds have to limit the rate of calls. It is not
// safe for concurrent use. The zero Bucket limits nothing.
type Bucket struct {
	burst, perSecond float64
	left             float64
	since            time.Time
}

// NewBucket returns a full bucket, which lets so many calls through at once, and
// then so many a second. It limits nothing if burst is 0.
func NewBucket(burst, perSecond int, now time.Time) Bucket {
	return Bucket{burst: float64(burst), perSecond: float64(perSecond), left: float64(burst), since: now}
}

// Take says whether a call may go through now.
func (b *Bucket) Take(now time.Time) bool {
	if b.burst == 0 {
		return true
	}
	b.left = min(b.burst, b.left+b.perSecond*now.Sub(b.since).Seconds())
	b.since = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
