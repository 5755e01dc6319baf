package plugindata

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing that is wrong with a configuration. It never repeats
// what a value says: any value may turn out to be a secret.
type Problem struct {
	// Line is where to look in the text that SPIRE handed over, from 1;
	// 0 if the problem is not in any one line.
	Line int

	// Key is the path of the key, such as "verify_organization.assume_org_role";
	// empty if the text can't be read at all.
	Key string

	// Msg says what is wrong and what would be right.
	Msg string
}

// String is the problem on one line, for logs and for SPIRE's validate command.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Key != "" {
		fmt.Fprintf(&b, "%s: ", p.Key)
	}
	b.WriteString(p.Msg)
	return b.String()
}

// report collects the problems of one text.
type report struct{ problems []Problem }

func (r *report) add(line int, key, format string, args ...any) {
	r.problems = append(r.problems, Problem{Line: line, Key: key, Msg: fmt.Sprintf(format, args...)})
}

// sorted returns the problems in the order of the text, those without a line
// last. What was reported several times is there once.
func sorted(problems []Problem) []Problem {
	problems = slices.Clone(problems)
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Msg, b.Msg))
	})
	return slices.Compact(problems)
}
