package azuremsi_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// TestSpellingOfTheGone: the machines that would tell how their group is spelt are
// gone, though Resource Graph doesn't know yet. The others are told apart from them,
// and spelt as if each had come alone.
func TestSpellingOfTheGone(t *testing.T) {
	const gone = 6
	inStorm(t, "all", func(t *testing.T) {
		got, _, _ := storm(t, 40, 40*time.Millisecond, func(a *azure) {
			before := &azure{vms: maps.Clone(a.vms), interfaces: a.interfaces}
			before.answerGraph(t, nil)
			a.graph = before.graph
			for i := range gone {
				_, vm, _ := member(i)
				delete(a.vms, strings.ToLower(*vm.ID))
			}
		})
		for i := range got {
			if want := wantMember(i); i >= gone && !reflect.DeepEqual(got[i], want) {
				t.Errorf("machine %d:\n got %+v\nwant %+v", i, got[i], want)
			}
			if status := got[i]["virtual_machine"].Status; i < gone && status != evidence.StatusAbsent {
				t.Errorf("machine %d, which is gone: got %s", i, status)
			}
		}
	})
}
