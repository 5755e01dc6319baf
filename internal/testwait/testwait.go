// Package testwait waits, in tests, for what happens elsewhere.
package testwait

import (
	"testing"
	"time"
)

// patience is longer than anything takes on a machine that is busy with other things.
const patience = 4 * time.Minute

// Until waits until nothing is lacking, which it asks every 10 ms, and fails the test
// with what still is after four minutes.
func Until(t testing.TB, lacking func() string) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		what := lacking()
		if what == "" {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("in %v: %s", patience, what)
		}
	}
}
