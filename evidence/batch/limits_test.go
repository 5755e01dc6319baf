package batch

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestLoadsOfOneCall: where the source doesn't name the bad IDs, a call asks so often
// for them, and what it has not found out then fails.
func TestLoadsOfOneCall(t *testing.T) {
	loads := 0
	b := &Batcher[string, int, string]{load: func(_ context.Context, _ string, ids []int) (map[int]Result[string], error) {
		loads++
		if ids[0] < maxLoads {
			return nil, &BadIDs[int]{Err: errors.New("bad")}
		}
		return map[int]Result[string]{}, nil
	}}
	for n, wantLoads := range map[int]int{maxLoads / 2: maxLoads - 1, maxLoads: maxLoads} { // two loads for each but the first
		loads = 0
		var asked []*question[int, string]
		for id := range n {
			asked = append(asked, &question[int, string]{id: id})
		}
		results := b.ask(t.Context(), "group", asked)
		gaveUp := 0
		for _, result := range results {
			if strings.Contains(result.Err.Error(), "which one was not found out in 16 calls") {
				gaveUp++
			}
		}
		if loads != wantLoads || len(results) != n || (gaveUp > 0) != (n == maxLoads) {
			t.Errorf("%d bad IDs: %d loads, want %d; %d results, of which %d were given up", n, loads, wantLoads, len(results), gaveUp)
		}
	}
}
