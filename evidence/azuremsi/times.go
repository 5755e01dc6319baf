package azuremsi

import (
	"fmt"
	"time"
)

// times are when a token was issued and how long it holds.
type times struct {
	issuedAt, notBefore, expiresAt time.Time
}

// Seconds since 1970 that a token's time may have: from 2000 to the end of 9999,
// the last year that RFC 3339 can write.
const (
	minSeconds = 946_684_800
	maxSeconds = 253_402_300_799
)

// checkTimes reads exp, nbf and iat, all of which must be there (RFC 7519 leaves
// that to us, section 4.1), and compares them with each other and with now.
func (t *token) checkTimes(now time.Time) (times, error) {
	var read [3]time.Time
	for i, claim := range []struct {
		name    string
		seconds *int64
	}{{"exp", t.ExpiresAt}, {"nbf", t.NotBefore}, {"iat", t.IssuedAt}} {
		if claim.seconds == nil {
			return times{}, fmt.Errorf("claims: %s is missing", claim.name)
		}
		if *claim.seconds < minSeconds || *claim.seconds > maxSeconds {
			return times{}, fmt.Errorf("claims: %s %d is not a time of our age", claim.name, *claim.seconds)
		}
		read[i] = time.Unix(*claim.seconds, 0).UTC()
	}
	ts := times{expiresAt: read[0], notBefore: read[1], issuedAt: read[2]}
	switch {
	case !ts.expiresAt.After(ts.notBefore):
		return times{}, fmt.Errorf("claims: exp %s is not after nbf %s", text(ts.expiresAt), text(ts.notBefore))
	case !ts.expiresAt.After(ts.issuedAt):
		return times{}, fmt.Errorf("claims: exp %s is not after iat %s", text(ts.expiresAt), text(ts.issuedAt))
	case ts.expiresAt.Sub(ts.issuedAt) > maxTokenLife:
		return times{}, fmt.Errorf("claims: a life of %s is longer than %s", ts.expiresAt.Sub(ts.issuedAt), maxTokenLife)
	case !now.Before(ts.expiresAt.Add(leeway)):
		return times{}, fmt.Errorf("claims: expired at %s: it is %s here", text(ts.expiresAt), text(now))
	case now.Add(leeway).Before(ts.notBefore):
		return times{}, fmt.Errorf("claims: not valid before %s: it is %s here", text(ts.notBefore), text(now))
	case now.Add(leeway).Before(ts.issuedAt):
		return times{}, fmt.Errorf("claims: issued at %s, in the future: it is %s here", text(ts.issuedAt), text(now))
	}
	return ts, nil
}

func text(t time.Time) string { return t.UTC().Format(time.RFC3339) }
