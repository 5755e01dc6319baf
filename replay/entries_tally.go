package replay

import (
	"cmp"
	"slices"
)

// An EntriesReport says which registration entries changes matter to.
type EntriesReport struct {
	Read int `json:"read"`

	// Detached entries lose nodes that are still let in.
	Detached int           `json:"detached"`
	Affected []EntryEffect `json:"affected"` // those that lose most first
}

// An EntryEffect is what happens to an entry, in decisions about nodes that it has.
type EntryEffect struct {
	Entry

	Lost     int `json:"lost"`
	Detached int `json:"detached"` // of those lost, the ones still let in
	Gained   int `json:"gained"`

	// Below is how many entries have this one for an ancestor.
	Below int `json:"below"`
}

// entriesTally counts by entry. One that is nil counts nothing.
type entriesTally struct {
	entries *Entries
	effects map[int]*EntryEffect
}

func newEntriesTally(entries *Entries) *entriesTally {
	if entries == nil {
		return nil
	}
	return &entriesTally{entries, map[int]*EntryEffect{}}
}

func (t *entriesTally) add(hits []entryHit) {
	for _, h := range hits {
		effect := t.effects[h.entry]
		if effect == nil {
			effect = &EntryEffect{Entry: t.entries.all[h.entry], Below: t.entries.below(h.entry)}
			t.effects[h.entry] = effect
		}
		switch {
		case h.gained:
			effect.Gained++
		case h.let:
			effect.Detached++
			fallthrough
		default:
			effect.Lost++
		}
	}
}

func (t *entriesTally) report() *EntriesReport {
	if t == nil {
		return nil
	}
	r := &EntriesReport{Read: len(t.entries.all), Affected: []EntryEffect{}}
	for _, effect := range t.effects {
		r.Affected = append(r.Affected, *effect)
		if effect.Detached > 0 {
			r.Detached++
		}
	}
	slices.SortFunc(r.Affected, func(a, b EntryEffect) int {
		return cmp.Or(cmp.Compare(b.Lost, a.Lost), cmp.Compare(b.Gained, a.Gained), cmp.Compare(a.ID, b.ID))
	})
	return r
}
