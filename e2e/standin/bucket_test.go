package standin_test

import (
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/standin"
)

func TestBucket(t *testing.T) {
	now := time.Now()
	bucket := standin.NewBucket(3, 2, now)
	take := func() (taken int) {
		for bucket.Take(now) {
			taken++
		}
		return taken
	}
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{{0, 3}, {0, 0}, {500 * time.Millisecond, 1}, {time.Second, 2}, {time.Hour, 3}} {
		now = now.Add(tc.after)
		if got := take(); got != tc.want {
			t.Errorf("%v later: %d let through, want %d", tc.after, got, tc.want)
		}
	}
	var none standin.Bucket
	for range 1000 {
		if !none.Take(now) {
			t.Fatal("a bucket without limits refuses")
		}
	}
}
