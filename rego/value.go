package rego

import (
	"encoding/json"
	"iter"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/valyala/fastjson"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// A Value is JSON in the form that policy sees it in, so that evaluation converts
// nothing more. Numbers stay as they are written. It never changes; the zero value is
// nothing, and null as JSON.
type Value struct{ value ast.Value }

// ParseValue reads a JSON text.
func ParseValue(text []byte) (Value, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil { // the parser is not that strict
		return Value{}, err
	}
	var parser fastjson.Parser
	parsed, err := parser.ParseBytes(text)
	if err != nil {
		return Value{}, err
	}
	return ValueOf(parsed, &Names{})
}

// ValueOf converts parsed JSON, and keeps nothing of it. Of nil it is the zero value.
// What is no JSON, and the parser takes all the same, is an error, but for control
// characters in strings.
func ValueOf(parsed *fastjson.Value, names *Names) (_ Value, err error) {
	defer recovered.To(&err)
	if parsed == nil {
		return Value{}, nil
	}
	value, err := parsedValue(parsed, names, 0)
	if err != nil {
		return Value{}, err
	}
	return Value{value}, nil
}

func parsedValue(v *fastjson.Value, names *Names, depth int) (ast.Value, error) {
	if depth > maxInputDepth {
		return nil, refuse("nested deeper than %d", maxInputDepth)
	}
	switch v.Type() {
	case fastjson.TypeString:
		return stringValue(string(v.GetStringBytes()))
	case fastjson.TypeNumber:
		return numberValue(string(v.MarshalTo(nil)))
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return ast.InternedValue(v.GetBool()), nil
	case fastjson.TypeArray:
		elements := v.GetArray()
		terms, pointers := slab(len(elements))
		for i, element := range elements {
			value, err := parsedValue(element, names, depth+1)
			if err != nil {
				return nil, at(strconv.Itoa(i), err)
			}
			terms[i].Value = value
		}
		return ast.NewArray(pointers...), nil
	case fastjson.TypeObject:
		return parsedObject(v.GetObject(), names, depth)
	default:
		return ast.NullValue, nil
	}
}

func parsedObject(o *fastjson.Object, names *Names, depth int) (_ ast.Value, err error) {
	values := make([]ast.Term, o.Len())
	pairs := make([][2]*ast.Term, 0, usualPairs)
	last, inOrder := "", true
	o.Visit(func(key []byte, member *fastjson.Value) {
		if err != nil {
			return
		}
		var name *ast.Term
		if name, err = names.term(key); err != nil {
			return
		}
		text, value := string(name.Value.(ast.String)), &values[len(pairs)]
		if value.Value, err = parsedValue(member, names, depth+1); err != nil {
			err = at(text, err)
			return
		}
		inOrder = inOrder && (len(pairs) == 0 || last < text)
		last = text
		pairs = append(pairs, [2]*ast.Term{name, value})
	})
	if err == nil && !inOrder && !allDiffer(pairs) {
		err = refuse("two members have the same name")
	}
	if err != nil {
		return nil, err
	}
	return ast.NewObject(pairs...), nil
}

// allDiffer is asked about members that are not sorted, as Gatehouse would have them.
func allDiffer(pairs [][2]*ast.Term) bool {
	seen := make(map[ast.Value]bool, len(pairs))
	for _, pair := range pairs {
		seen[pair[0].Value] = true
	}
	return len(seen) == len(pairs)
}

// IsNull reports whether there is nothing, or null.
func (v Value) IsNull() bool { return v.value == nil || v.value == ast.NullValue }

// MarshalJSON implements json.Marshaler. The members of objects are sorted.
func (v Value) MarshalJSON() ([]byte, error) {
	document, err := plain("value", v.value)
	if err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

// Text is a string, if it is one.
func (v Value) Text() (text string, ok bool) {
	s, ok := v.value.(ast.String)
	return string(s), ok
}

// Member is what is at a path of names; the zero value if there is no such thing.
func (v Value) Member(path ...string) Value {
	for _, name := range path {
		object, ok := v.value.(ast.Object)
		if !ok {
			return Value{}
		}
		term := object.Get(ast.StringTerm(name))
		if term == nil {
			return Value{}
		}
		v = Value{term.Value}
	}
	return v
}

// Members are those of an object, sorted by name; of anything else there are none.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		object, ok := v.value.(ast.Object)
		if !ok {
			return
		}
		object.Until(func(key, value *ast.Term) bool {
			name, _ := key.Value.(ast.String)
			return !yield(string(name), Value{value.Value})
		})
	}
}
