package replay

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// TestConstantMemory: beyond what a report has room for, ten times as many decisions,
// all of other nodes, groups, accounts and oddities, leave no more behind.
func TestConstantMemory(t *testing.T) {
	const full = maxNodes + maxNodes/10
	o := Options{Samples: 2, Entries: &Entries{all: make([]Entry, 50)}}
	some, more := newTally(o), newTally(o)
	for i := range 10 * full {
		r := differentResult(i)
		if i < full {
			some.addAll(&batch{file: "log", results: []result{r}})
		}
		more.addAll(&batch{file: "log", results: []result{r}})
	}
	at1, at10 := retained(some), retained(more)
	if !some.classes[AgentIDChanged].more || more.log.Changed <= 9*full {
		t.Fatalf("there is room left after %d, or not all of %d were counted: %d", full, 10*full, more.log.Changed)
	}
	// Texts with numbers in them grow by a digit.
	if at10 > at1+at1/20 {
		t.Errorf("%d bytes are kept of %d decisions, and %d of %d", at1, full, at10, 10*full)
	}
	if few := retained(newTally(o)); at1 < 10*few {
		t.Errorf("%d bytes for a full report, %d for an empty one: not all was looked at", at1, few)
	}
}

// differentResult has little in common with that of another i. Of a hundred, one is of
// a line that can't be replayed.
func differentResult(i int) result {
	number := fmt.Sprintf(" %08d", i)
	name := func(what string) string { return what + number }
	if i%100 == 1 {
		return result{line: i, skipped: &remark{why: name("odd"), detail: name("detail")}}
	}
	return result{
		line: i, time: time.Unix(int64(i), 0), node: name("node"),
		noted:   []remark{{why: name("remark")}},
		version: version{"aws_iid", name("version")},
		misfit:  func() *remark { return &remark{why: name("misfit")} },
		whom:    []place{{"plugin", "aws_iid"}, {"account", name("account")}, {"region", name("region")}},
		hits:    []hit{{AgentIDChanged, name("group")}, {AgentIDChanged, "all"}},
		entries: []entryHit{{entry: i % 50, id: name("entry")}},
		change: &Change{
			DecisionID: name("decision"), Node: name("node"), Classes: []ClassName{AgentIDChanged},
			Old: &Answer{AgentPath: name("path")}, New: &Answer{Denials: []rego.Violation{{Rule: "rule", Msg: name("message")}}},
		},
		candidate: time.Duration(i), comparison: time.Duration(i), hasCompared: true,
	}
}

// retained is about how many bytes can be reached from a value.
func retained(value any) int {
	seen := map[any]bool{}
	var size func(v reflect.Value) int
	size = func(v reflect.Value) int {
		sum := 0
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() || seen[v.Pointer()] {
				return 0
			}
			seen[v.Pointer()] = true
			return int(v.Type().Elem().Size()) + size(v.Elem())
		case reflect.Interface:
			if !v.IsNil() {
				sum = int(v.Elem().Type().Size()) + size(v.Elem())
			}
		case reflect.String:
			sum = v.Len()
		case reflect.Slice:
			sum = v.Len() * int(v.Type().Elem().Size())
			for i := range v.Len() {
				sum += size(v.Index(i))
			}
		case reflect.Array:
			for i := range v.Len() {
				sum += size(v.Index(i))
			}
		case reflect.Map:
			for entry := v.MapRange(); entry.Next(); {
				sum += int(v.Type().Key().Size()+v.Type().Elem().Size()) + size(entry.Key()) + size(entry.Value())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				sum += size(v.Field(i))
			}
		}
		return sum
	}
	return size(reflect.ValueOf(value))
}
