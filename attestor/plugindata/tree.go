package plugindata

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// Parse reads the text of a plugin_data. If it can't be read the Object is empty
// and its Problems say why; there is always an Object.
func Parse(text string) *Object {
	root := newObject(&report{}, "", 0)
	if len(text) > MaxSize {
		root.report.add(0, "", "the configuration is longer than %d bytes", MaxSize)
		root.open = true
		return root
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	expr, source, problem := parse(text)
	if problem != nil {
		root.report.problems = append(root.report.problems, *problem)
		root.open = true
		return root
	}
	t := tree{source: source, report: root.report}
	t.fill(root, expr)
	return root
}

// parse returns the text's outermost object as an expression, and the source that
// its ranges are of.
func parse(text string) (hcl.Expression, []byte, *Problem) {
	if i := invalidUTF8(text); i >= 0 {
		return nil, nil, problemAt(1+strings.Count(text[:i], "\n"), "the text is not UTF-8 here")
	}
	source := []byte(text)
	var expr hcl.Expression
	var diags hcl.Diagnostics
	if isJSON(text) {
		if problem := boundJSON(text); problem != nil {
			return nil, nil, problem
		}
		expr, diags = hcljson.ParseExpression(source, "plugin_data")
	} else {
		rewritten, problem := rewrite(text)
		if problem != nil {
			return nil, nil, problem
		}
		source = []byte(rewritten)
		expr, diags = hclsyntax.ParseExpression(source, "plugin_data", hcl.InitialPos)
	}
	if len(diags) > 0 {
		line := 0
		if diags[0].Subject != nil {
			line = diags[0].Subject.Start.Line
		}
		// Detail may quote the text; Summary never does.
		return nil, nil, problemAt(line, "syntax error: %s", strings.ToLower(diags[0].Summary))
	}
	return expr, source, nil
}

// invalidUTF8 returns where text stops being UTF-8, or -1.
func invalidUTF8(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// isJSON tells JSON from HCL in braces: only JSON has a colon after the first key.
func isJSON(text string) bool {
	decoder := json.NewDecoder(strings.NewReader(text))
	for _, want := range []func(json.Token) bool{
		func(t json.Token) bool { return t == json.Delim('{') },
		func(t json.Token) bool { _, ok := t.(string); return ok },
	} {
		if t, err := decoder.Token(); err != nil || !want(t) {
			return false
		}
	}
	rest := strings.TrimLeft(text[decoder.InputOffset():], " \t\r\n")
	return strings.HasPrefix(rest, ":")
}

// boundJSON refuses JSON that nests too deep for a parser that calls itself.
func boundJSON(text string) *Problem {
	depth, line, quoted := 0, 1, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n':
			line++
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return tooDeep(line)
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return nil
}

// tree turns expressions into values.
type tree struct {
	source []byte
	report *report
}

// fill adds the members of an object expression to o.
func (t *tree) fill(o *Object, expr hcl.Expression) {
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		t.report.add(expr.StartRange().Start.Line, o.path, "is not an object")
		return
	}
	for _, pair := range pairs {
		name, diags := pair.Key.Value(nil)
		line := pair.Key.StartRange().Start.Line
		if diags.HasErrors() || name.IsNull() || name.Type() != cty.String {
			t.report.add(line, o.path, "a key is not plain text")
			continue
		}
		key := name.AsString()
		v := t.value(pair.Value, o.join(key))
		v.line = line
		if v.object != nil {
			v.object.line = line
		}
		o.add(key, v)
	}
}

// value turns one expression into a value.
func (t *tree) value(expr hcl.Expression, path string) value {
	line := expr.StartRange().Start.Line
	if _, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		object := newObject(t.report, path, line)
		t.fill(object, expr)
		return value{kind: kindObject, line: line, object: object}
	}
	if elements, diags := hcl.ExprList(expr); !diags.HasErrors() {
		v := value{kind: kindList, line: line}
		for i, element := range elements {
			v.list = append(v.list, t.value(element, elementPath(path, i)))
		}
		return v
	}
	return t.scalar(expr, path)
}

// scalar turns a string, number, boolean or null into a value. All else is an
// expression, which plugin_data has never had: nothing is evaluated.
func (t *tree) scalar(expr hcl.Expression, path string) value {
	line := expr.StartRange().Start.Line
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		if e.Val.IsNull() { // HCL 1 has none
			t.report.add(line, path, "is null: want a value, or no such key")
			return value{kind: kindInvalid, line: line}
		}
	case *hclsyntax.TemplateExpr:
	case *hclsyntax.UnaryOpExpr: // the scanner lets only a number's minus pass
	case *hclsyntax.ScopeTraversalExpr:
		t.report.add(line, path, "text belongs in quotes")
		return value{kind: kindInvalid, line: line}
	case hclsyntax.Expression:
		t.report.add(e.StartRange().Start.Line, path, "expressions can't be used here")
		return value{kind: kindInvalid, line: line}
	}
	result, diags := expr.Value(nil)
	switch {
	case diags.HasErrors() || !result.IsKnown():
		t.report.add(line, path, "is not a plain value")
		return value{kind: kindInvalid, line: line}
	case result.IsNull():
		return value{kind: kindNull, line: line}
	case result.Type() == cty.String:
		return value{kind: kindString, line: line, text: result.AsString()}
	case result.Type() == cty.Bool && result.True():
		return value{kind: kindBool, line: line, text: "true"}
	case result.Type() == cty.Bool:
		return value{kind: kindBool, line: line, text: "false"}
	case result.Type() == cty.Number:
		// As written: an account ID may start with zeros.
		return value{kind: kindNumber, line: line, text: string(expr.Range().SliceBytes(t.source))}
	}
	t.report.add(line, path, "is not a plain value")
	return value{kind: kindInvalid, line: line}
}
