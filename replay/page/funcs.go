package page

import (
	"strconv"
	"time"
)

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// count writes a number with its thousands told apart.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func duration(d time.Duration) string { return d.Round(time.Microsecond).String() }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
