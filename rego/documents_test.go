package rego

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestDocuments: what is found is what the store has, and what is not there is left
// to the store.
func TestDocuments(t *testing.T) {
	store, err := newStore(map[string]any{"lists": map[string]any{"amis": []any{"ami-1"}}}, map[string]any{"partition": "aws"})
	if err != nil {
		t.Fatal(err)
	}
	documents, err := documentsOf(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"data.gatehouse.config.partition":   `"aws"`,
		"data.gatehouse.config":             `{"partition": "aws"}`,
		"data.lists.amis[0]":                `"ami-1"`,
		"data.lists.amis[1]":                "",
		"data.gatehouse.config.partition.x": "",
		"data.none":                         "",
		"data":                              "",
	} {
		got := documents.Get(ast.MustParseRef(ref))
		switch {
		case want == "" && got != nil:
			t.Errorf("%s is %v, want nothing", ref, got)
		case want != "" && (got == nil || got.Compare(ast.MustParseTerm(want).Value) != 0):
			t.Errorf("%s is %v, want %s", ref, got, want)
		}
	}
}
