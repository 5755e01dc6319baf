package configcheck

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/attestor/serverconf"
)

// problemsOf returns the problems of an error of attestor.Load.
func problemsOf(err error) []plugindata.Problem {
	if invalid, ok := errors.AsType[*attestor.ConfigError](err); ok {
		return invalid.Problems
	}
	return []plugindata.Problem{{Msg: err.Error()}}
}

// in are the problems of a plugin_data that is a file.
func in(file string, found []plugindata.Problem) []Problem {
	problems := make([]Problem, 0, len(found))
	for _, p := range found {
		problems = append(problems, Problem{File: file, Line: p.Line, Key: p.Key, Msg: p.Msg})
	}
	return problems
}

// placed finds the problems of a plugin_data in the server.conf. SPIRE prints
// plugin_data anew, in other lines: what was found in that is found again in the
// text as it was written. Should it differ, the printed one counts, in the one line
// that is known.
func (c *checker) placed(kind attestor.Kind, trustDomain string, p serverconf.Plugin, found []plugindata.Problem) []Problem {
	inLine := slices.ContainsFunc(found, func(p plugindata.Problem) bool { return p.Line > 0 })
	if inLine && p.Written != "" {
		_, err := attestor.Load(c.ctx, kind, trustDomain, p.Written, time.Now)
		if err != nil && alike(found, problemsOf(err)) {
			return c.orHere(p, in(c.file, problemsOf(err)))
		}
	}
	problems := in(c.file, found)
	for i := range problems {
		if problems[i].Line > 0 {
			problems[i].Msg += fmt.Sprintf(" (line %d of what SPIRE makes of plugin_data)", problems[i].Line)
			problems[i].Line = 0
		}
	}
	return c.orHere(p, problems)
}

// orHere has problems that are in no line be in that of plugin_data.
func (c *checker) orHere(p serverconf.Plugin, problems []Problem) []Problem {
	for i := range problems {
		if problems[i].Line == 0 {
			problems[i].Line = p.LineOf("plugin_data")
		}
	}
	return problems
}

var inLines = regexp.MustCompile(`\blines? \d+( and \d+)?`)

// alike reports whether two lists are of the same problems, in other lines.
func alike(a, b []plugindata.Problem) bool {
	return slices.Equal(withoutLines(a), withoutLines(b))
}

// withoutLines are problems in an order that does not depend on lines.
func withoutLines(problems []plugindata.Problem) []string {
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Key+": "+inLines.ReplaceAllString(p.Msg, ""))
	}
	slices.Sort(texts)
	return texts
}
