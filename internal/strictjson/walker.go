package strictjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// A walker follows a token stream with a stack of its own: nothing recurses, so
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

// next takes one token.
func (w *walker) next(token json.Token) error {
	if delim, ok := token.(json.Delim); ok {
		if delim == '{' || delim == '[' {
			return w.push(delim)
		}
		w.open = w.open[:len(w.open)-1]
	}
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
	return w.key(inner, token.(string))
}

// push opens an object or array.
func (w *walker) push(delim json.Delim) error {
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
