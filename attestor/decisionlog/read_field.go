package decisionlog

import (
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// A fieldReader reads fields one after the other. What is not there, or null, is the
// zero value; what is of another kind makes all of it not ok.
type fieldReader struct{ ok bool }

// is reports whether there is a value, of the right kind.
func (r *fieldReader) is(v *fastjson.Value, kind fastjson.Type) bool {
	if v == nil || v.Type() == fastjson.TypeNull {
		return false
	}
	r.ok = r.ok && v.Type() == kind
	return v.Type() == kind
}

func (r *fieldReader) member(v *fastjson.Value, path ...string) *fastjson.Value {
	for _, name := range path {
		if !r.is(v, fastjson.TypeObject) {
			return nil
		}
		v = v.Get(name)
	}
	return v
}

func (r *fieldReader) text(v *fastjson.Value) string {
	if !r.is(v, fastjson.TypeString) {
		return ""
	}
	text := v.GetStringBytes()
	r.ok = r.ok && utf8.Valid(text)
	return string(text)
}

func (r *fieldReader) number(v *fastjson.Value) float64 {
	if !r.is(v, fastjson.TypeNumber) {
		return 0
	}
	number, err := v.Float64()
	r.ok = r.ok && err == nil
	return number
}

func (r *fieldReader) boolean(v *fastjson.Value) bool {
	if v != nil && v.Type() == fastjson.TypeFalse {
		return false
	}
	return r.is(v, fastjson.TypeTrue)
}

func (r *fieldReader) elements(v *fastjson.Value) []*fastjson.Value {
	if !r.is(v, fastjson.TypeArray) {
		return nil
	}
	return v.GetArray()
}

// texts wants a text of each: null is none.
func (r *fieldReader) texts(v *fastjson.Value) []string {
	var all []string
	for _, element := range r.elements(v) {
		r.ok = r.ok && element.Type() == fastjson.TypeString
		all = append(all, r.text(element))
	}
	return all
}

func (r *fieldReader) members(v *fastjson.Value, read func(name string, member *fastjson.Value)) {
	if r.is(v, fastjson.TypeObject) {
		v.GetObject().Visit(func(name []byte, member *fastjson.Value) { read(string(name), member) })
	}
}
