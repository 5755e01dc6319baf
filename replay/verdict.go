package replay

import "fmt"

// verdict sums up a report, and says why.
func verdict(r *Report) (Verdict, []string) {
	if r.Log.Replayed == 0 {
		return None, nil
	}
	verdict := Safe
	var because []string
	for _, class := range r.Classes {
		switch {
		case class.Dangerous:
			verdict = Dangerous
		case verdict == Safe:
			verdict = Changes
		}
		because = append(because, fmt.Sprintf("%s: %d decisions", class.Title, class.Decisions))
	}
	if r.Entries != nil && r.Entries.Detached > 0 {
		verdict = Dangerous
		because = append(because, fmt.Sprintf("Registration entries that lose nodes which are still let in: %d", r.Entries.Detached))
	}
	for _, remark := range r.Log.Skipped {
		if remark.loading {
			verdict = Dangerous
			because = append(because, "The candidate does not load for a configuration that is in use")
		}
	}
	return verdict, because
}
