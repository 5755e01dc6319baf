package plugindata

import (
	"fmt"
	"strings"
)

// frame is an object or list that is open.
type frame struct {
	list   bool
	line   int
	labels int // further objects that its closing brace closes: key "label" {
	comma  bool
}

// rewriter writes HCL 1's tokens as one HCL 2 object constructor. It puts a comma
// behind each value itself, so that items may share a line or not, and starts a
// new line only where HCL 2 allows one: before a key, an element or a closer.
type rewriter struct {
	scan scanner
	out  strings.Builder
	line int // that out is on
	open []frame
	keys []token // read, and still without a value
}

// rewrite turns a body, or a body in braces, into the text of an HCL 2 object.
func rewrite(text string) (string, *Problem) {
	r := &rewriter{scan: scanner{src: text, line: 1}, line: 1}
	tok, problem := r.scan.next()
	if problem != nil {
		return "", problem
	}
	if tok.kind == '[' {
		return "", problemAt(tok.line, "this is a list; key = value pairs belong here")
	}
	braced := tok.kind == '{'
	r.push("{", frame{line: tok.line})
	if braced {
		tok, problem = r.scan.next()
	}
	for problem == nil {
		if tok.kind == tokenEOF && !braced && len(r.open) == 1 && len(r.keys) == 0 {
			r.out.WriteString("}")
			return r.out.String(), nil
		}
		if tok.kind == '}' && !braced && len(r.open) == 1 && len(r.keys) == 0 {
			return "", problemAt(tok.line, "this } closes nothing")
		}
		if problem = r.token(tok); problem != nil {
			break
		}
		tok, problem = r.scan.next()
		if len(r.open) == 0 && problem == nil {
			if tok.kind != tokenEOF {
				return "", problemAt(tok.line, "there is more text after the closing }")
			}
			return r.out.String(), nil
		}
	}
	return "", problem
}

// token handles one token by what is open.
func (r *rewriter) token(tok token) *Problem {
	top := &r.open[len(r.open)-1]
	if tok.kind == tokenEOF {
		if len(r.keys) > 0 {
			return problemAt(r.keys[0].line, "key %s has no value", quotedKey(r.keys[0].text))
		}
		return problemAt(top.line, "what is opened in this line is never closed")
	}
	if top.list {
		return r.element(tok)
	}
	return r.item(tok)
}

// element handles a token within a list.
func (r *rewriter) element(tok token) *Problem {
	top := &r.open[len(r.open)-1]
	if tok.kind == ',' {
		if !top.comma {
			return problemAt(tok.line, "a comma where a list element belongs")
		}
		top.comma = false
		r.out.WriteString(",")
		return nil
	}
	if tok.kind == ']' {
		r.lineUp(tok.line)
		return r.pop()
	}
	if top.comma {
		return problemAt(tok.line, "a comma or ] is missing before this list element")
	}
	r.lineUp(tok.line)
	return r.value(tok, "here a list element or ] belongs")
}

// item handles a token within an object.
func (r *rewriter) item(tok token) *Problem {
	top := &r.open[len(r.open)-1]
	switch tok.kind {
	case tokenIdent, tokenString:
		r.keys = append(r.keys, tok)
		if len(r.open)+len(r.keys) > maxDepth {
			return tooDeep(tok.line)
		}
		return nil
	case ',':
		if !top.comma || len(r.keys) > 0 {
			return problemAt(tok.line, "a comma where a key belongs")
		}
		top.comma = false
		return nil
	case '}':
		if len(r.keys) > 0 {
			return problemAt(r.keys[0].line, "key %s has no value", quotedKey(r.keys[0].text))
		}
		r.lineUp(tok.line)
		return r.pop()
	case '=':
		if len(r.keys) != 1 {
			return problemAt(tok.line, "before = belongs one key")
		}
		r.key(r.keys[0])
		r.keys = nil
		value, problem := r.scan.next()
		if problem != nil {
			return problem
		}
		return r.value(value, "after = belongs a value")
	case '{':
		if len(r.keys) == 0 {
			return problemAt(tok.line, "a { without a key before it")
		}
		for _, key := range r.keys[:len(r.keys)-1] {
			r.key(key)
			r.out.WriteString("{")
		}
		r.key(r.keys[len(r.keys)-1])
		labels := len(r.keys) - 1
		r.keys = nil
		return r.push("{", frame{line: tok.line, labels: labels})
	}
	if len(r.keys) > 0 {
		return problemAt(tok.line, "after key %s belongs = or {", quotedKey(r.keys[0].text))
	}
	return problemAt(tok.line, "here a key belongs")
}

// value writes a value, or the start of one.
func (r *rewriter) value(tok token, otherwise string) *Problem {
	switch tok.kind {
	case '{':
		return r.push("{", frame{line: tok.line})
	case '[':
		return r.push("[", frame{line: tok.line, list: true})
	case tokenString:
		writeString(&r.out, tok.text)
	case tokenIdent, tokenNumber:
		r.out.WriteString(tok.text)
	default:
		return problemAt(tok.line, "%s", otherwise)
	}
	r.valueDone()
	return nil
}

func (r *rewriter) valueDone() {
	top := &r.open[len(r.open)-1]
	top.comma = true
	if !top.list {
		r.out.WriteString(",")
	}
}

func (r *rewriter) key(tok token) {
	r.lineUp(tok.line)
	writeString(&r.out, tok.text)
	r.out.WriteString(" = ")
}

func (r *rewriter) push(opener string, f frame) *Problem {
	r.out.WriteString(opener)
	r.open = append(r.open, f)
	depth := 0
	for _, f := range r.open {
		depth += 1 + f.labels
	}
	if depth > maxDepth {
		return tooDeep(f.line)
	}
	return nil
}

func (r *rewriter) pop() *Problem {
	top := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	if top.list {
		r.out.WriteString("]")
	} else {
		r.out.WriteString(strings.Repeat("}", 1+top.labels))
	}
	if len(r.open) > 0 {
		r.valueDone()
	}
	return nil
}

// lineUp starts new lines until out is where the source is.
func (r *rewriter) lineUp(line int) {
	if line > r.line {
		r.out.WriteString(strings.Repeat("\n", line-r.line))
		r.line = line
	}
}

// writeString writes a string so that HCL 2 reads the same value: no templates,
// no line ends.
func writeString(b *strings.Builder, value string) {
	b.WriteByte('"')
	for _, c := range value {
		switch {
		case c == '"' || c == '\\' || c == '$' || c == '%' || c < ' ' || c == 0x7f:
			fmt.Fprintf(b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
}

func problemAt(line int, format string, args ...any) *Problem {
	return &Problem{Line: line, Msg: fmt.Sprintf(format, args...)}
}

func tooDeep(line int) *Problem {
	return problemAt(line, "objects and lists nest deeper than %d levels here", maxDepth)
}
