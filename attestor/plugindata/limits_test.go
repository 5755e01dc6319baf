package plugindata_test

import (
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// TestConfigurationLimits tries each bound on both sides.
func TestConfigurationLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		limit  int
		text   func(n int) string
		beyond string
	}{
		"bytes": {plugindata.MaxSize, func(n int) string { return strings.Repeat("#", n) }, "the configuration is longer than 1048576 bytes"},
		"depth": {32, func(n int) string { // the key is one, and so is the object that it is in
			return "a = " + strings.Repeat("[", n-1) + strings.Repeat("]", n-1)
		}, "objects and lists nest deeper than 32 levels here"},
		"depth of labels": {32, func(n int) string { // the block's object is one, and so is its key
			return "a" + strings.Repeat(" b", n-2) + " {}"
		}, "objects and lists nest deeper than 32 levels here"},
		"labels before a block": {32, func(n int) string { return "a" + strings.Repeat(" b", n-2) }, "objects and lists nest deeper than 32 levels here"},
		"depth in JSON": {32, func(n int) string {
			return `{"a": ` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}"
		}, "objects and lists nest deeper than 32 levels here"},
	} {
		t.Run(name, func(t *testing.T) {
			problem := func(n int) string {
				o := plugindata.Parse(tc.text(n))
				for _, problem := range o.Problems() {
					if strings.Contains(problem.Msg, "longer than") || strings.Contains(problem.Msg, "deeper than") {
						return problem.Msg
					}
				}
				return ""
			}
			if got := problem(tc.limit); got != "" {
				t.Errorf("at %d: %s", tc.limit, got)
			}
			if got := problem(tc.limit + 1); got != tc.beyond {
				t.Errorf("at %d: got %q, want %q", tc.limit+1, got, tc.beyond)
			}
		})
	}
}

// TestShownKeys: a message shows a plain key as it is, another one in quotes, and
// neither beyond the bound.
func TestShownKeys(t *testing.T) {
	const most = 64 // characters
	for name, tc := range map[string]struct{ key, want string }{
		"plain":          {strings.Repeat("k", most), strings.Repeat("k", most)},
		"plain and long": {strings.Repeat("k", most+1), `"` + strings.Repeat("k", most) + `…"`},
		"quoted":         {strings.Repeat("é", most), `"` + strings.Repeat("é", most) + `"`},
		"and long":       {strings.Repeat("é", most+1), `"` + strings.Repeat("é", most) + `…"`},
	} {
		t.Run(name, func(t *testing.T) {
			o := plugindata.Parse(`"` + tc.key + `" = 1`)
			if got := o.Problems(); len(got) != 1 || got[0].Key != tc.want {
				t.Errorf("got %v, want one about %s", got, tc.want)
			}
		})
	}
}
