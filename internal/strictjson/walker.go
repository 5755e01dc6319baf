package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// A walker follows a text with a stack of its own: nothing recurses, so
// deep input costs no more than long input.
type walker struct {
	options Options
	target  reflect.Type
	open    []container
}

// A container is an object or array whose end has not come yet.
type container struct {
	fields  map[string]reflect.Type // an object's known keys; nil if any will do
	element reflect.Type            // what an array's or map's values are decoded into
	keys    map[string]string       // an object's keys so far, by their folded form; nil for an array
	wantKey bool
	value   reflect.Type // what the next value is decoded into
}

// walk goes through data, which is known to be valid JSON. A decoder's tokens would
// say the same, and take four times as long.
func (w *walker) walk(data []byte) error {
	for len(data) > 0 {
		size := 1
		var err error
		switch data[0] {
		case ' ', '\t', '\r', '\n', ',', ':':
			data = data[1:]
			continue
		case '{', '[':
			err = w.push(data[0])
		case '}', ']':
			w.open = w.open[:len(w.open)-1]
			err = w.value(nil)
		case '"':
			size = stringSize(data)
			err = w.value(data[:size])
		default: // a number, true, false or null
			if size = bytes.IndexAny(data, " \t\r\n,]}"); size < 0 {
				size = len(data)
			}
			err = w.value(data[:size])
		}
		if err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}

// stringSize is how many bytes a string at the start of data has, quotes included.
func stringSize(data []byte) int {
	for i := 1; ; i++ {
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}

// value takes what has just ended: a key, or a value.
func (w *walker) value(text []byte) error {
	if len(w.open) == 0 {
		return nil
	}
	inner := &w.open[len(w.open)-1]
	if inner.keys == nil {
		return nil
	}
	if !inner.wantKey {
		inner.wantKey = true
		return nil
	}
	inner.wantKey = false
	var key string
	if err := json.Unmarshal(text, &key); err != nil {
		return err
	}
	return w.key(inner, key)
}

// push opens an object or array.
func (w *walker) push(delim byte) error {
	if len(w.open) == w.options.MaxDepth {
		return fmt.Errorf("nested deeper than %d levels", w.options.MaxDepth)
	}
	target := w.target
	if len(w.open) > 0 {
		target = w.open[len(w.open)-1].value
	}
	inner := containerFor(target)
	if delim == '{' {
		inner.keys = map[string]string{}
		inner.wantKey = true
	}
	w.open = append(w.open, inner)
	return nil
}

// key takes a key of an object.
func (w *walker) key(object *container, key string) error {
	folded := fold(key)
	if before, twice := object.keys[folded]; twice {
		if before == key {
			return fmt.Errorf("key %s appears twice", quote(key))
		}
		return fmt.Errorf("keys %s and %s differ in case only", quote(before), quote(key))
	}
	object.keys[folded] = key

	if object.fields == nil {
		object.value = object.element
		return nil
	}
	var known bool
	if object.value, known = object.fields[key]; known {
		return nil
	}
	for name := range object.fields {
		if strings.EqualFold(name, key) {
			return fmt.Errorf("key %s must be written %s", quote(key), quote(name))
		}
	}
	if !w.options.AllowUnknownFields {
		return fmt.Errorf("unknown key %s", quote(key))
	}
	return nil
}

// containerFor prepares for an object or array that is decoded into target.
func containerFor(target reflect.Type) container {
	for target != nil && target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	if target == nil || reflect.PointerTo(target).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return container{}
	}
	switch target.Kind() {
	case reflect.Struct:
		return container{fields: fieldsOf(target)}
	case reflect.Map, reflect.Slice, reflect.Array:
		return container{element: target.Elem(), value: target.Elem()}
	}
	return container{}
}

// fieldsOf lists the keys that encoding/json knows for a struct.
func fieldsOf(target reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(target) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		if field.IsExported() && !field.Anonymous && field.Tag.Get("json") != "-" {
			fields[name] = field.Type
		}
	}
	return fields
}

// fold returns a form that is equal for two strings exactly if
// strings.EqualFold says that they are.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, s)
}
