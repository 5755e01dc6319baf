package rego

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGathered: facts that nobody would gather are not there, and say why; what was given
// stays as it was.
func TestGathered(t *testing.T) {
	in := Input{
		Facts:       map[string]any{"a": 1, "b": 2, "c": nil},
		FactsStatus: map[string]string{"c": "absent", "d": "error", "e": "absent", "f": "not_collected"},
	}
	got := Admission{Required: []string{"a"}, Optional: []string{"d"}}.gathered(in)
	want := Input{
		Facts:       map[string]any{"a": 1},
		FactsStatus: map[string]string{"b": "not_collected", "c": "not_collected", "d": "error", "e": "not_collected", "f": "not_collected"},
	}
	if diff := cmp.Diff([]any{want.Facts, want.FactsStatus}, []any{got.Facts, got.FactsStatus}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(in.Facts) != 3 || len(in.FactsStatus) != 4 {
		t.Errorf("the input that was given is another one now: %+v", in)
	}
}
