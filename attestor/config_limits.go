package attestor

import (
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// limits is the block limits: how much work is taken on at a time.
type limits struct {
	Concurrent int           // attestations that run
	Waiting    int           // attestations that wait for their turn
	Wait       time.Duration // how long each does
}

// The defaults let a fleet of a thousand nodes in at once: what they wait for is
// the cloud, and their questions are put together. An attestation takes about
// 100 KiB while it runs.
func defaultLimits() limits {
	return limits{Concurrent: 1024, Waiting: 4096, Wait: 10 * time.Second}
}

// buildLimits reads the block limits.
func buildLimits(o *plugindata.Object) limits {
	l := defaultLimits()
	block, ok := o.Object("limits")
	if !ok {
		return l
	}
	count := func(key string, least, most int, into *int) {
		if n, ok := block.Int(key); ok {
			if n < least || n > most {
				block.Problem(key, "must be from %d to %d; the default is %d", least, most, *into)
			}
			*into = n
		}
	}
	count("max_concurrent", 1, maxConcurrent, &l.Concurrent)
	count("max_waiting", 0, maxWaiting, &l.Waiting)
	if wait, ok := block.Duration("max_wait"); ok {
		l.Wait = wait
		if wait <= 0 || wait > maxWait {
			block.Problem("max_wait", "must be more than 0 and at most %s; the default is %s", maxWait, defaultLimits().Wait)
		}
	}
	return l
}
