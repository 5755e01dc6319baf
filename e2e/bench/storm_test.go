package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/sleep"
)

// Two attest at once, for a second each. The first fails twice: it comes again
// 5 s after each time, and holds nobody up meanwhile.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 2
		got, err := storm{atOnce: 2, retry: 5 * time.Second}.run(t.Context(), make([][]byte, 4), func(_ context.Context, node int, _ []byte) error {
			time.Sleep(time.Second)
			if node == 0 && failures > 0 {
				failures--
				return errors.New("throttled")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// The one that failed took 1 + 5 + 1 + 5 + 1 seconds.
		if slowest := quantile(got.took, 1); slowest != 13*time.Second || quantile(got.took, 0.5) != time.Second {
			t.Errorf("took %v", got.took)
		}
		if got.attested != 4 || got.failed != 2 || got.wall < 13*time.Second || got.wall > 14*time.Second || got.last == nil {
			t.Errorf("got %+v", got)
		}
	})
}

// Who may not come again has failed for good.
func TestStormWithoutRetries(t *testing.T) {
	got, err := storm{atOnce: 2}.run(t.Context(), make([][]byte, 4), func(context.Context, int, []byte) error { return errors.New("denied") })
	if err != nil || got.attested != 0 || got.failed != 4 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// One that takes too long is broken off: who is in by then counts, and attempts that
// were under way have not failed.
func TestStormIsBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := storm{atOnce: 1, retry: 5 * time.Second, patience: 10 * time.Second}.run(t.Context(), make([][]byte, 5), func(ctx context.Context, node int, _ []byte) error {
			_ = sleep.For(ctx, 3*time.Second)
			if node == 0 {
				return errors.New("throttled")
			}
			return ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.attested+got.failed != 3 || got.attested < 2 || got.wall != 10*time.Second || !got.brokenOff {
			t.Errorf("got %+v", got)
		}
	})
}

func TestCompare(t *testing.T) {
	const unit = time.Millisecond
	got := compare([2][]time.Duration{{1 * unit, 1 * unit, 4 * unit, 4 * unit}, {2 * unit, 2 * unit, 2 * unit, 2 * unit}}, 2)
	want := Latencies{
		P50: [2]time.Duration{4 * unit, 2 * unit}, P99: [2]time.Duration{4 * unit, 2 * unit},
		Ratio: 2, Lowest: 0.5, Highest: 2,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
