package plugindata

import (
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// unknown reports the keys that nobody asked for, here and in the objects within.
func (o *Object) unknown(r *report) {
	for _, key := range o.keys {
		v := o.members[key]
		if !o.asked[key] && !o.open {
			r.add(v.line, o.join(key), "unknown key; %s", o.instead(key))
			continue
		}
		if !o.asked[key] {
			continue
		}
		if v.object != nil {
			v.object.unknown(r)
		}
		for _, element := range v.list {
			if element.object != nil && len(v.list) == 1 {
				element.object.unknown(r)
			}
		}
	}
}

// instead says which known key may have been meant, or all of them.
func (o *Object) instead(key string) string {
	known := slices.Sorted(maps.Keys(o.asked))
	if len(known) == 0 {
		return "there are none here"
	}
	best, distance := "", 0
	for _, k := range known {
		d := levenshtein.ComputeDistance(strings.ToLower(shorten(key)), k)
		if best == "" || d < distance {
			best, distance = k, d
		}
	}
	if distance <= max(1, len(best)/3) {
		return "did you mean " + quotedKey(best) + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}

// shorten bounds what a message shows of a key, and what the comparison of keys costs.
func shorten(key string) string {
	if runes := []rune(key); len(runes) > maxShownKey {
		return string(runes[:maxShownKey])
	}
	return key
}
