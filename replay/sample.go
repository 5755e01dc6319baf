package replay

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// sample keeps some of many changes: those whose IDs have the lowest hashes, so
// that each has the same chance and the same log gives the same sample.
type sample struct {
	max  int
	kept []drawn // sorted by hash
}

type drawn struct {
	hash   uint64
	order  int // in the log
	change *Change
}

func (s *sample) add(c *Change, order int) {
	d := drawn{hashOf(c.DecisionID), order, c}
	at, _ := slices.BinarySearchFunc(s.kept, d, func(a, b drawn) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.order, b.order))
	})
	if at == s.max {
		return
	}
	if len(s.kept) == s.max {
		s.kept = s.kept[:s.max-1]
	}
	s.kept = slices.Insert(s.kept, at, d)
}

// changes are those kept, in the order of the log.
func (s *sample) changes() []*Change {
	inOrder := slices.SortedFunc(slices.Values(s.kept), func(a, b drawn) int { return cmp.Compare(a.order, b.order) })
	changes := make([]*Change, 0, len(inOrder))
	for _, d := range inOrder {
		changes = append(changes, d.change)
	}
	return changes
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	// FNV leaves IDs that differ in their last letters close together.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}
