package rego

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// An encoder turns Go values into OPA's, as encoding/json and a parser would but
// without the text between them. It knows strings, booleans, integers, floats,
// json.Number, time.Time, Value, slices, maps with string keys, structs with JSON
// tags, pointers and interfaces to those; anything else is an error, so that nothing
// reaches policy in a form that nobody thought of. It is safe for concurrent use.
type encoder struct {
	structs sync.Map // reflect.Type → *structPlan
}

// encodeError says where in a value the problem is.
type encodeError struct {
	path   string
	reason string
}

func (e *encodeError) Error() string {
	if e.path == "" {
		return e.reason
	}
	return e.path + ": " + e.reason
}

func at(name string, err error) error {
	if inner, ok := errors.AsType[*encodeError](err); ok {
		path := name
		if inner.path != "" {
			path += "." + inner.path
		}
		return &encodeError{path: path, reason: inner.reason}
	}
	return err
}

func refuse(format string, args ...any) error {
	return &encodeError{reason: fmt.Sprintf(format, args...)}
}

func (e *encoder) encode(v any) (ast.Value, error) {
	return e.value(reflect.ValueOf(v), 0)
}

func (e *encoder) value(v reflect.Value, depth int) (ast.Value, error) {
	if depth > maxInputDepth {
		return nil, refuse("nested deeper than %d", maxInputDepth)
	}
	if !v.IsValid() {
		return ast.NullValue, nil
	}
	switch v.Kind() {
	case reflect.String:
		if v.Type() == numberType {
			return numberValue(v.String())
		}
		return stringValue(v.String())
	case reflect.Bool:
		return ast.InternedValue(v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return intValue(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return ast.Number(strconv.FormatUint(v.Uint(), 10)), nil
	case reflect.Float32, reflect.Float64:
		return floatValue(v)
	case reflect.Interface:
		return e.value(v.Elem(), depth)
	case reflect.Pointer:
		if v.IsNil() {
			return ast.NullValue, nil
		}
		return e.value(v.Elem(), depth+1) // or a pointer to itself would never end
	case reflect.Slice:
		return e.slice(v, depth)
	case reflect.Map:
		return e.mapping(v, depth)
	case reflect.Struct:
		switch v.Type() {
		case timeType:
			return timeValue(v)
		case valueType:
			return readyValue(v)
		}
		return e.structure(v, depth)
	default:
		return nil, refuse("policy can't be given a %s", v.Type())
	}
}

func (e *encoder) slice(v reflect.Value, depth int) (ast.Value, error) {
	switch {
	case v.Type().Elem().Kind() == reflect.Uint8:
		return nil, refuse("policy can't be given bytes")
	case v.IsNil():
		return ast.NullValue, nil
	}
	terms, pointers := slab(v.Len())
	for i := range terms {
		value, err := e.value(v.Index(i), depth+1)
		if err != nil {
			return nil, at(strconv.Itoa(i), err)
		}
		terms[i].Value = value
	}
	return ast.NewArray(pointers...), nil
}

func (e *encoder) mapping(v reflect.Value, depth int) (ast.Value, error) {
	switch {
	case v.Type().Key().Kind() != reflect.String:
		return nil, refuse("policy can't be given a %s", v.Type())
	case v.IsNil():
		return ast.NullValue, nil
	}
	terms := make([]ast.Term, 2*v.Len())
	pairs := make([][2]*ast.Term, 0, usualPairs)
	entryKey := reflect.New(v.Type().Key()).Elem() // reused: a copy for each entry would be an allocation
	entryValue := reflect.New(v.Type().Elem()).Elem()
	for entry := v.MapRange(); entry.Next(); {
		entryKey.SetIterKey(entry)
		entryValue.SetIterValue(entry)
		name := entryKey.String()
		key, err := stringValue(name)
		if err != nil {
			return nil, at(strconv.Quote(name), err)
		}
		value, err := e.value(entryValue, depth+1)
		if err != nil {
			return nil, at(name, err)
		}
		pair := terms[2*len(pairs) : 2*len(pairs)+2]
		pair[0].Value, pair[1].Value = key, value
		pairs = append(pairs, [2]*ast.Term{&pair[0], &pair[1]})
	}
	return ast.NewObject(pairs...), nil
}

func (e *encoder) structure(v reflect.Value, depth int) (ast.Value, error) {
	plan, err := e.plan(v.Type())
	if err != nil {
		return nil, err
	}
	terms := make([]ast.Term, len(plan.fields))
	pairs := make([][2]*ast.Term, 0, usualPairs)
	for _, field := range plan.fields {
		member := v.Field(field.index)
		if field.omits(member) {
			continue
		}
		value, err := e.value(member, depth+1)
		if err != nil {
			return nil, at(field.name, err)
		}
		term := &terms[len(pairs)]
		term.Value = value
		pairs = append(pairs, [2]*ast.Term{field.key, term})
	}
	return ast.NewObject(pairs...), nil
}

// usualPairs is how many pairs objects have room for on the stack; others need an
// allocation more.
const usualPairs = 32

// slab makes n terms in one piece, and the pointers to them.
func slab(n int) ([]ast.Term, []*ast.Term) {
	terms := make([]ast.Term, n)
	pointers := make([]*ast.Term, n)
	for i := range terms {
		pointers[i] = &terms[i]
	}
	return terms, pointers
}

func stringValue(s string) (ast.Value, error) {
	if !utf8.ValidString(s) {
		return nil, refuse("is not valid UTF-8")
	}
	return ast.InternedValue(s), nil
}

func intValue(n int64) ast.Value {
	if n == int64(int(n)) {
		return ast.InternedValue(int(n))
	}
	return ast.Number(strconv.FormatInt(n, 10))
}

// numberValue takes a number as it was written: another way to write it could
// show, in a text that policy makes of it.
func numberValue(text string) (ast.Value, error) {
	if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
		return ast.InternedValue(n), nil
	}
	if text == "" || strings.Trim(text, "-+.0123456789eE") != "" || !json.Valid([]byte(text)) {
		return nil, refuse("%.40q is no number of JSON", text)
	}
	return ast.Number(text), nil
}

func floatValue(v reflect.Value) (ast.Value, error) {
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, refuse("%v is no number of JSON", v.Float())
	}
	return ast.Number(text), nil
}

// readyValue is of what has policy's form already.
func readyValue(v reflect.Value) (ast.Value, error) {
	switch ready, ok := v.Interface().(Value); {
	case !ok:
		return nil, refuse("policy can't be given an unexported value")
	case ready.value == nil:
		return ast.NullValue, nil
	default:
		return ready.value, nil
	}
}

func timeValue(v reflect.Value) (ast.Value, error) {
	t, ok := v.Interface().(time.Time)
	if !ok {
		return nil, refuse("policy can't be given an unexported time")
	}
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return nil, refuse("year %d can't be written in RFC 3339", year)
	}
	return ast.String(t.Format(time.RFC3339Nano)), nil
}
