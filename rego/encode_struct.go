package rego

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

var (
	numberType        = reflect.TypeFor[json.Number]()
	timeType          = reflect.TypeFor[time.Time]()
	valueType         = reflect.TypeFor[Value]()
	jsonMarshalerType = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
	zeroerType        = reflect.TypeFor[interface{ IsZero() bool }]()
)

// A structPlan is how to encode a struct type, worked out once.
type structPlan struct {
	fields []fieldPlan
}

type fieldPlan struct {
	index     int
	name      string
	key       *ast.Term
	omitEmpty bool
	omitZero  bool
}

// omits reports whether encoding/json would leave the field out.
func (f fieldPlan) omits(v reflect.Value) bool {
	if f.omitZero && isZero(v) {
		return true
	}
	if !f.omitEmpty {
		return false
	}
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	default:
		return v.IsZero()
	}
}

// isZero asks a time itself, as encoding/json does: the zero time has a zone too.
func isZero(v reflect.Value) bool {
	if t, ok := v.Interface().(time.Time); ok {
		return t.IsZero()
	}
	return v.IsZero()
}

// plan returns the plan of struct type t, and refuses types whose JSON is not
// what their fields say.
func (e *encoder) plan(t reflect.Type) (*structPlan, error) {
	if known, ok := e.structs.Load(t); ok {
		return known.(*structPlan), nil
	}
	if pointer := reflect.PointerTo(t); pointer.Implements(jsonMarshalerType) || pointer.Implements(textMarshalerType) {
		return nil, refuse("policy can't be given a %s: it writes its own JSON", t)
	}
	plan := &structPlan{}
	names := map[string]bool{}
	for i := range t.NumField() {
		field, skip, err := planField(t.Field(i))
		switch {
		case err != nil:
			return nil, err
		case skip:
			continue
		case names[field.name]:
			return nil, refuse("%s has two fields named %q", t, field.name)
		}
		names[field.name] = true
		field.index = i
		plan.fields = append(plan.fields, field)
	}
	e.structs.Store(t, plan)
	return plan, nil
}

func planField(f reflect.StructField) (field fieldPlan, skip bool, err error) {
	tag := f.Tag.Get("json")
	if f.Anonymous {
		return fieldPlan{}, false, refuse("field %s: embedded fields are not supported", f.Name)
	}
	if !f.IsExported() || tag == "-" {
		return fieldPlan{}, true, nil
	}
	name, options, _ := strings.Cut(tag, ",")
	if name == "" {
		name = f.Name
	}
	field = fieldPlan{name: name, key: ast.StringTerm(name)}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "omitempty":
			field.omitEmpty = true
		case "omitzero":
			if f.Type != timeType && f.Type.Implements(zeroerType) {
				return fieldPlan{}, false, refuse("field %s: omitzero with an IsZero method is not supported", f.Name)
			}
			field.omitZero = true
		default:
			return fieldPlan{}, false, refuse("field %s: JSON option %q is not supported", f.Name, option)
		}
	}
	return field, false, nil
}
