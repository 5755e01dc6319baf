package page

import (
	"fmt"
	"time"
)

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func duration(d time.Duration) string { return d.Round(time.Microsecond).String() }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
