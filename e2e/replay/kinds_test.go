package replay

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// kinds lists what is in logs, each once, with the question that was asked: outcomes,
// rules and what came of them, and the fields of input and result.
func kinds(t *testing.T, logs []replay.Log) []string {
	t.Helper()
	found := map[string]bool{}
	for _, log := range logs {
		in, err := log.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		lines := json.NewDecoder(bufio.NewReader(unpacked))
		for {
			var l line
			if err := lines.Decode(&l); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", log.Name, err)
			}
			l.kinds(func(kind string) { found[l.Labels.Plugin+": "+l.Path+": "+kind] = true })
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// line is what kinds are of.
type line struct {
	Labels        struct{ Plugin string }
	Path          string
	Input, Result any
	Custom        struct {
		Gatehouse struct {
			Outcome string
			Rules   []struct{ Rule, Effect string }
		}
	}
}

func (l line) kinds(add func(string)) {
	add(l.Custom.Gatehouse.Outcome)
	for _, r := range l.Custom.Gatehouse.Rules {
		add(r.Rule + " " + r.Effect)
	}
	fields(l.Input, "input", add)
	fields(l.Result, "result", add)
}

// fields adds the paths of all that a document has.
func fields(value any, path string, add func(string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			fields(field, path+"."+name, add)
		}
	case []any:
		for _, element := range value {
			fields(element, path+"[]", add)
		}
	}
	add(path)
}
