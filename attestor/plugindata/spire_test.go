package plugindata

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testplugindata"
)

var update = flag.Bool("update", false, "rewrite the want files below testdata/spire")

// TestWhatSPIREHandsOver reads the text that SPIRE makes of each server.conf. The
// e2e module's TestPluginDataAsSPIREHandsItOver makes these texts with SPIRE's
// own code. A want file lists every value with its line, kind and path.
func TestWhatSPIREHandsOver(t *testing.T) {
	testplugindata.Each(t, ".", func(t *testing.T, dir string) {
		text, err := os.ReadFile(filepath.Join(dir, "plugin_data"))
		if err != nil {
			t.Fatal(err)
		}
		got := dump(string(text))
		stored := filepath.Join(dir, "want")
		if *update {
			if err := os.WriteFile(stored, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(stored)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// dump lists all of a text's values and syntax problems.
func dump(text string) string {
	var b strings.Builder
	o := Parse(text)
	dumpObject(&b, o)
	for _, problem := range sorted(o.report.problems) {
		fmt.Fprintf(&b, "problem: %v\n", problem)
	}
	return b.String()
}

func dumpObject(b *strings.Builder, o *Object) {
	for _, key := range o.keys {
		dumpValue(b, o.join(key), o.members[key])
	}
}

func dumpValue(b *strings.Builder, path string, v value) {
	switch v.kind {
	case kindObject:
		fmt.Fprintf(b, "%d %s: an object of %d\n", v.line, path, len(v.object.keys))
		dumpObject(b, v.object)
	case kindList:
		fmt.Fprintf(b, "%d %s: a list of %d\n", v.line, path, len(v.list))
		for i, element := range v.list {
			dumpValue(b, elementPath(path, i), element)
		}
	case kindString:
		fmt.Fprintf(b, "%d %s: %q\n", v.line, path, v.text)
	default:
		fmt.Fprintf(b, "%d %s: %v %s\n", v.line, path, v.kind, v.text)
	}
}
