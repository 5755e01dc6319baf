package replay

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// pathPattern is an agent path with what is of this node alone replaced by what it
// is: /spire/agent/aws_iid/{account_id}/{region}/{instance_id}. values are what
// the evidence has, by field.
func pathPattern(path string, values map[string]string) string {
	segments := strings.Split(path, "/")
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		// The longest first: what is left of a segment may be another one's.
		return cmp.Or(cmp.Compare(len(values[b]), len(values[a])), cmp.Compare(a, b))
	})
	const fixed = 4 // "", "spire", "agent" and the plugin
	for i, segment := range segments {
		if i < fixed {
			continue
		}
		for _, name := range names {
			if value := values[name]; value != "" && !strings.Contains(segment, "{") {
				segment = strings.Replace(segment, value, "{"+name+"}", 1)
			}
		}
		if segment == segments[i] {
			segment = someDigits.ReplaceAllString(segment, "#")
		}
		segments[i] = segment
	}
	return strings.Join(segments, "/")
}

var someDigits = regexp.MustCompile(`[0-9a-f]*[0-9][0-9a-f-]*`)

// keyPattern is of a part of a selector that says what kind it is.
var keyPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

// selectorPattern is a selector with its value left out: tag:Name:*, az:*.
func selectorPattern(selector string) string {
	kind, rest, found := strings.Cut(selector, ":")
	if !found {
		return selector
	}
	if key, _, more := strings.Cut(rest, ":"); more && keyPattern.MatchString(key) {
		return kind + ":" + key + ":*"
	}
	return kind + ":*"
}

func selectorPatterns(selectors []string) []string {
	patterns := make([]string, 0, len(selectors))
	for _, selector := range selectors {
		patterns = append(patterns, selectorPattern(selector))
	}
	slices.Sort(patterns)
	return slices.Compact(patterns)
}
