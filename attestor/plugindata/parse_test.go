package plugindata_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("a {\n", 40) + strings.Repeat("}\n", 40)
	tests := []struct {
		name, text string
		want       plugindata.Problem
	}{
		{"open brace", "a = 1\nb {\n  c = 1\n", plugindata.Problem{Line: 2, Msg: "what is opened in this line is never closed"}},
		{"open bracket", "a = [\n\"x\"", plugindata.Problem{Line: 1, Msg: "what is opened in this line is never closed"}},
		{"stray brace", "a = 1\n}\nb = 2", plugindata.Problem{Line: 2, Msg: "this } closes nothing"}},
		{"more after braces", "{ a = 1 }\nb = 2", plugindata.Problem{Line: 2, Msg: "there is more text after the closing }"}},
		{"open string", "a = 1\nb = \"x\nc = 2\n", plugindata.Problem{Line: 2, Msg: "the string that starts here does not end in its line: a quote is missing"}},
		{"open interpolation", "a = \"${x\"\nb = 2", plugindata.Problem{Line: 1, Msg: "the string that starts here does not end in its line: a quote is missing"}},
		{"open comment", "a = 1\n/* b", plugindata.Problem{Line: 2, Msg: "the comment that starts here with /* does not end"}},
		{"open heredoc", "a = <<EOF\nx\n", plugindata.Problem{Line: 1, Msg: "the heredoc that starts here has no line with its end marker"}},
		{"heredoc marker", "a = <<E F\nx\n", plugindata.Problem{Line: 1, Msg: "after << comes the heredoc's marker, letters and digits, and the end of the line"}},
		{"escape", `a = "\q"`, plugindata.Problem{Line: 1, Msg: `no such escape sequence in a string; for a backslash write \\`}},
		{"escaped interpolation, which HCL 1 lacks too", `a = "\${x}"`, plugindata.Problem{Line: 1, Msg: `no such escape sequence in a string; for a backslash write \\`}},
		{"escape digits", `a = "\u12"`, plugindata.Problem{Line: 1, Msg: "an escape sequence in a string lacks digits, or names no character"}},
		{"escape surrogate", `a = "\ud800"`, plugindata.Problem{Line: 1, Msg: "an escape sequence in a string names no character"}},
		{"escape octal", `a = "\777"`, plugindata.Problem{Line: 1, Msg: "an escape sequence in a string names no character"}},
		{"escape bytes", `a = "\xff"`, plugindata.Problem{Line: 1, Msg: "the escapes in this string make no valid UTF-8 text"}},
		{"not UTF-8", "a = 1\nb = \"\xff\"", plugindata.Problem{Line: 2, Msg: "the text is not UTF-8 here"}},
		{"character", "a = 1\nb = (1)", plugindata.Problem{Line: 2, Msg: `unexpected character '('`}},
		{"colon", "a: 1", plugindata.Problem{Line: 1, Msg: `unexpected character ':'`}},
		{"no value", "a = 1\nb\n", plugindata.Problem{Line: 2, Msg: `key "b" has no value`}},
		{"no value in object", "a {\nb }", plugindata.Problem{Line: 2, Msg: `key "b" has no value`}},
		{"value missing", "a =\n}", plugindata.Problem{Line: 2, Msg: "after = belongs a value"}},
		{"labelled attribute", `a "b" = {}`, plugindata.Problem{Line: 1, Msg: "before = belongs one key"}},
		{"number as key", "1 = 2", plugindata.Problem{Line: 1, Msg: "here a key belongs"}},
		{"list as block", "a [1]", plugindata.Problem{Line: 1, Msg: `after key "a" belongs = or {`}},
		{"brace without key", "a = 1\n{ b = 2 }", plugindata.Problem{Line: 2, Msg: "a { without a key before it"}},
		{"two commas", "a = 1,\n, b = 2", plugindata.Problem{Line: 2, Msg: "a comma where a key belongs"}},
		{"two commas in a list", `a = ["b",, "c"]`, plugindata.Problem{Line: 1, Msg: "a comma where a list element belongs"}},
		{"no comma in a list", "a = [\"b\"\n\"c\"]", plugindata.Problem{Line: 2, Msg: "a comma or ] is missing before this list element"}},
		{"wrong closer", "a = [\n}", plugindata.Problem{Line: 2, Msg: "here a list element or ] belongs"}},
		{"list", "[{ a = 1 }]", plugindata.Problem{Line: 1, Msg: "this is a list; key = value pairs belong here"}},
		{"set twice", "a = 1\na = 2", plugindata.Problem{Line: 2, Key: "a", Msg: "is set twice, in lines 1 and 2"}},
		{"block and attribute", "a = 1\na { b = 2 }", plugindata.Problem{Line: 2, Key: "a", Msg: "is set twice, in lines 1 and 2"}},
		{"set twice in blocks", "a { b = 1 }\na { b = 2 }", plugindata.Problem{Line: 2, Key: "a.b", Msg: "is set twice, in lines 1 and 2"}},
		{"bare word", "a = 1\nb = [x]", plugindata.Problem{Line: 2, Key: "b[0]", Msg: "text belongs in quotes"}},
		{"hexadecimal", "a = 0x1f", plugindata.Problem{Line: 1, Msg: "syntax error: missing attribute separator"}},
		{"depth", deep, plugindata.Problem{Line: 32, Msg: "objects and lists nest deeper than 32 levels here"}},
		{"depth of labels", "a" + strings.Repeat(" b", 40) + " {}", plugindata.Problem{Line: 1, Msg: "objects and lists nest deeper than 32 levels here"}},
		{"depth of lists", "a = " + strings.Repeat("[", 100_000), plugindata.Problem{Line: 1, Msg: "objects and lists nest deeper than 32 levels here"}},
		{"size", strings.Repeat("#", plugindata.MaxSize+1), plugindata.Problem{Msg: "the configuration is longer than 1048576 bytes"}},
		{"JSON: syntax", "{\"a\": 1,\n \"b\" 2}", plugindata.Problem{Line: 2, Msg: "syntax error: missing property value colon"}},
		{"JSON: two values", `{"a": 1} {"b": 2}`, plugindata.Problem{Line: 1, Msg: "syntax error: extraneous data after value"}},
		{"JSON: set twice", "{\"a\": 1,\n \"a\": 2}", plugindata.Problem{Line: 2, Key: "a", Msg: "is set twice, in lines 1 and 2"}},
		{"JSON: depth", `{"a": "[[{{\"", "b":` + "\n" + strings.Repeat("[", 100_000), plugindata.Problem{Line: 2, Msg: "objects and lists nest deeper than 32 levels here"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := plugindata.Parse(tt.text)
			o.Keys() // no key is unknown
			if got, want := o.Problems(), []plugindata.Problem{tt.want}; !reflect.DeepEqual(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestParseReads has what SPIRE's printer does not produce: a plugin_data_file
// comes as the operator wrote it.
func TestParseReads(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"braces", "{ a = \"x\" }\n# end\n", "x"},
		{"one line", `z = 1 a = "x" y { b = 2 } x = [1]`, "x"},
		{"CRLF", "a = \"x\"\r\n", "x"},
		{"heredoc with CRLF", "a = <<E\r\nx\r\nE\r\n", "x\n"},
		{"heredoc with indented end", "a = <<E\nx\n  E\n", "x\n  "},
		{"heredoc without lines", "a = <<E\nE\n", ""},
		{"item behind a heredoc", "b = <<E\nx\nE\na = \"x\"", "x"},
		{"empty", `a = ""`, ""},
		{"template marks", `a = "${x} %{y} $${z} $ % ${{}} \"q\""`, `${x} %{y} $${z} $ % ${{}} "q"`},
		{"quotes in an interpolation", `a = "${f("x\n{}")}"`, `${f("x\n{}")}`},
		{"controls", `a = "\a\b\f\v\x01\177"`, "\a\b\f\v\x01\x7f"},
		{"key named for", `for = 1 a = "x" if { in = 2 }`, "x"},
		{"JSON", `{"a": "${x} %{y} \/ \ud83d\ude00 {{["}`, "${x} %{y} / 😀 {{["},
		{"JSON number", `{"a": 123456789012345678901234567890}`, "123456789012345678901234567890"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := plugindata.Parse(tt.text)
			o.Keys()
			got, ok := o.String("a")
			if !ok || got != tt.want || len(o.Problems()) > 0 {
				t.Errorf("got %q, %v and problems %v, want %q", got, ok, o.Problems(), tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "a = 1", "{ \"a\": [1, null, {}] }", "a b \"c\" { d = [\"${x\n}\"] }", "a = <<-E\n  x\n  E\n",
		"a = [for x in y]", "a = -1.5e3 b = true, c = null", "# x\n/* y */ a {} a {}", `a = "\u00e9\ud83d\ude00"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := plugindata.Parse(text)
		for _, problem := range o.Problems() {
			if lines := strings.Count(text, "\n") + 1; problem.Line < 0 || problem.Line > lines || problem.Msg == "" {
				t.Errorf("problem %+v of a text of %d lines", problem, lines)
			}
		}
		visit(o)
		o.Problems()
	})
}

// visit asks for every key in every way.
func visit(o *plugindata.Object) {
	for _, key := range o.Keys() {
		o.String(key)
		o.Bool(key)
		o.Duration(key)
		o.Strings(key)
		if inner, ok := o.Object(key); ok {
			visit(inner)
		}
	}
}
