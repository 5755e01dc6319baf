package replay

import (
	"cmp"
	"slices"
)

// whomTally counts one dimension.
type whomTally struct {
	rows   map[string]*WhomRow
	others int
}

func (w *whomTally) add(value string, c *Change) {
	row := w.rows[value]
	if row == nil {
		if len(w.rows) == maxWhomValues {
			w.others++
			return
		}
		row = &WhomRow{Value: value}
		w.rows[value] = row
	}
	row.Decisions++
	if c == nil {
		return
	}
	row.Changed++
	if row.Classes == nil {
		row.Classes = map[ClassName]int{}
	}
	for _, class := range c.Classes {
		row.Classes[class]++
	}
}

func (w *whomTally) dimension(name string) Dimension {
	d := Dimension{Name: name, Others: w.others}
	for _, row := range w.rows {
		d.Rows = append(d.Rows, *row)
	}
	slices.SortFunc(d.Rows, func(a, b WhomRow) int {
		return cmp.Or(cmp.Compare(b.Changed, a.Changed), cmp.Compare(b.Decisions, a.Decisions), cmp.Compare(a.Value, b.Value))
	})
	if len(d.Rows) > maxWhomRows {
		for _, row := range d.Rows[maxWhomRows:] {
			d.Others += row.Decisions
		}
		d.Rows = d.Rows[:maxWhomRows]
	}
	return d
}

// DimensionNames lists where nodes are told apart, besides by plugin.
func DimensionNames() []string {
	var names []string
	for _, d := range dimensions {
		names = append(names, d.name)
	}
	return names
}
