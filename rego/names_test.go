package rego

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestNames: a name that is remembered is the same term, and only so many are, and
// only short ones. What is not remembered is read all the same.
func TestNames(t *testing.T) {
	var names Names
	same := func(name string) bool {
		t.Helper()
		first, err := names.term([]byte(name))
		if err != nil {
			t.Fatal(err)
		}
		second, err := names.term([]byte(name))
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := first.Value.(ast.String); !ok || string(text) != name || !first.Equal(second) {
			t.Fatalf("%.20q became %.20s and %.20s", name, first, second)
		}
		return first == second
	}
	if !same(strings.Repeat("n", maxNameBytes)) || same(strings.Repeat("n", maxNameBytes+1)) {
		t.Errorf("names of up to %d bytes are remembered, and no longer ones", maxNameBytes)
	}
	for i := 1; i < maxKnownNames; i++ {
		if !same(fmt.Sprintf("name %d", i)) {
			t.Fatalf("name %d of %d is not remembered", i, maxKnownNames)
		}
	}
	if same("one more") || !same("name 1") {
		t.Errorf("not those %d are remembered that came first", maxKnownNames)
	}
	if _, err := names.term([]byte("\xff")); err == nil {
		t.Error("a name that is no UTF-8 is taken")
	}
}
