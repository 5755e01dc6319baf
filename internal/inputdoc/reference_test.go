package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/input.md is what the schemas say today.
func TestReferenceIsUpToDate(t *testing.T) {
	want, err := reference()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/input.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/input.md is stale: run go generate ./policies (-want +got):\n%s", diff)
	}
}

func TestSplit(t *testing.T) {
	for name, tc := range map[string]struct{ description, meaning, says string }{
		"nothing said":  {"Name. Of it.", "Name. Of it.", ""},
		"a sentence":    {"Name. Missing if there is none. Of it.", "Name. Of it.", "if there is none"},
		"at the end":    {"Name. Missing if there is none.", "Name.", "if there is none"},
		"a clause":      {"spot or scheduled; missing for others.", "spot or scheduled.", "for others"},
		"undefined":     {"First use. May be undefined at admission.", "First use.", "May be undefined at admission"},
		"about a field": {"The machine. A field that Azure leaves out is missing.", "The machine. A field that Azure leaves out is missing.", ""},
		"with a colon":  {"The organization. Missing: any will do.", "The organization.", "Missing: any will do"},
	} {
		t.Run(name, func(t *testing.T) {
			meaning, says := split(tc.description)
			if meaning != tc.meaning || says != tc.says {
				t.Errorf("got %q, %q", meaning, says)
			}
		})
	}
}
