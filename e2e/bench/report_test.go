package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A goal that isn't reached is said to be not met.
func TestGoals(t *testing.T) {
	figures := func(attested, failed, calls int, wall time.Duration) Figures {
		return Figures{Attested: attested, Failed: failed, Wall: wall, Calls: map[string]int{"ec2:DescribeInstances": calls}}
	}
	for name, tc := range map[string]struct {
		ours   Figures
		missed int
	}{
		"all met":            {figures(1000, 0, 20, 10*time.Second), 0},
		"a call too many":    {figures(1000, 0, 21, 10*time.Second), 1},
		"slow":               {figures(1000, 0, 20, 11*time.Second), 1},
		"an attempt failed":  {figures(1000, 1, 20, 10*time.Second), 1},
		"a node is left out": {figures(999, 0, 20, 10*time.Second), 1},
	} {
		t.Run(name, func(t *testing.T) {
			report := &Report{}
			report.add(awsThrottled, builtIn, 1000, figures(1000, 500, 2000, 100*time.Second))
			report.add(awsThrottled, gatehouse, 1000, tc.ours)
			var text bytes.Buffer
			report.storm(func(_, _, _ string, met bool) {
				if !met {
					text.WriteString("missed\n")
				}
			}, "calls", 20, awsThrottled)
			if got := strings.Count(text.String(), "missed"); got != tc.missed {
				t.Errorf("%d missed, want %d", got, tc.missed)
			}
		})
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1234 * time.Nanosecond: "1µs", 3074304 * time.Nanosecond: "3.07ms", 592*time.Millisecond + 345678: "592ms",
		1627254256: "1.63s", 55417603643: "55.4s", 1000 * time.Second: "16m40s",
	} {
		if got := short(d); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
}
