package replay

import (
	"math/bits"
	"time"
)

// histogram counts durations in steps of a sixteenth.
type histogram struct {
	counts [64 * 16]int
	total  int
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)]++
	h.total++
	h.max = max(h.max, d)
}

func bucket(d time.Duration) int {
	n := uint64(d)
	if n < 16 {
		return int(n)
	}
	shift := bits.Len64(n) - 5
	return (shift+1)*16 + int(n>>shift) - 16
}

// upTo is the longest duration of a bucket.
func upTo(bucket int) time.Duration {
	if bucket < 16 {
		return time.Duration(bucket)
	}
	shift := bucket/16 - 1
	return time.Duration((uint64(bucket%16+16)+1)<<shift - 1)
}

// quantile is the duration that a share of all does not exceed.
func (h *histogram) quantile(share float64) time.Duration {
	left := int(share * float64(h.total))
	for i, n := range h.counts {
		if left -= n; left < 0 {
			return min(upTo(i), h.max)
		}
	}
	return h.max
}

func (h *histogram) times() Times {
	return Times{Decisions: h.total, P50: h.quantile(0.5), P99: h.quantile(0.99), Max: h.max}
}
