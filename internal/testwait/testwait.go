// Package testwait waits, in tests, for what happens elsewhere.
package testwait

import (
	"testing"
	"time"
)

// Patience is longer than anything takes on a machine that is busy with other things.
const Patience = 4 * time.Minute

// Until waits until nothing is lacking, which it asks every 10 ms, and fails the test
// with what still is after four minutes.
func Until(t testing.TB, lacking func() string) {
	t.Helper()
	for late := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
		what := lacking()
		if what == "" {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("in %v: %s", Patience, what)
		}
	}
}

// Receive waits for the next of what a channel has, or for its end, and fails the test
// with what is lacking after four minutes.
func Receive[T any](t testing.TB, from <-chan T, lacking string) T {
	t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case got := <-from:
		return got
	case <-late.C:
		t.Fatalf("in %v: %s", Patience, lacking)
		panic("unreachable")
	}
}
