package plugindata

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind says what a value is.
type kind int

const (
	kindInvalid kind = iota // reported already
	kindNull                // JSON: for a text as if the key were not there
	kindString
	kindNumber
	kindBool
	kindList
	kindObject
)

func (k kind) String() string {
	return [...]string{"invalid", "null", "a string", "a number", "true or false", "a list", "an object"}[k]
}

// value is one value of the tree.
type value struct {
	kind   kind
	line   int
	text   string // a string's value, or a number or boolean as written
	list   []value
	object *Object
}

// Object is plugin_data, or an object within it. Ask it for every key that may be
// there, also when an earlier answer makes one pointless: what was never asked for
// is reported as unknown, with the keys asked for as the known ones.
//
// A getter's second result is false if the key is not there, or has a value of the
// wrong type, which is then reported. JSON's null is no text, as for HCL 1, and of the
// wrong type for all else: what a template has no value for must not be taken for
// a list of accounts that nobody wanted. Asking again does no harm: nothing is reported
// twice.
type Object struct {
	report  *report
	path    string
	line    int
	keys    []string // in the order of the text
	members map[string]value
	asked   map[string]bool
	open    bool // any key may be there
}

func newObject(r *report, path string, line int) *Object {
	return &Object{report: r, path: path, line: line, members: map[string]value{}, asked: map[string]bool{}}
}

// add sets a key. Blocks of one name are parts of one object, as for HCL 1.
func (o *Object) add(key string, v value) {
	old, again := o.members[key]
	if !again {
		o.keys = append(o.keys, key)
		o.members[key] = v
		return
	}
	if old.kind != kindObject || v.kind != kindObject {
		o.report.add(v.line, o.join(key), "is set twice, in lines %d and %d", old.line, v.line)
		return
	}
	for _, k := range v.object.keys {
		old.object.add(k, v.object.members[k])
	}
}

// Has says whether a key is there, and not null. It counts as asking for the key.
func (o *Object) Has(key string) bool {
	o.asked[key] = true
	v, there := o.members[key]
	return there && v.kind != kindNull
}

// Keys returns all keys in the order of the text. After it any key is right: it
// is for objects whose keys are names that the operator chooses.
func (o *Object) Keys() []string {
	o.open = true
	return slices.Clone(o.keys)
}

// String returns a text. A number will do, as it does for HCL 1.
func (o *Object) String(key string) (string, bool) {
	v, ok := o.get(key, kindString, kindNumber)
	return v.text, ok
}

// Bool returns a boolean. The texts "true" and "false" will do.
func (o *Object) Bool(key string) (bool, bool) {
	v, ok := o.get(key, kindBool, kindString)
	if ok && v.text != "true" && v.text != "false" {
		o.Problem(key, "want true or false")
		return false, false
	}
	return v.text == "true", ok
}

// Int returns a whole number. A text of digits will do.
func (o *Object) Int(key string) (int, bool) {
	v, ok := o.get(key, kindNumber, kindString)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(v.text)
	if err != nil {
		o.Problem(key, "want a whole number")
		return 0, false
	}
	return n, true
}

// Duration returns a duration such as "90s" or "3m". An empty text is like a key
// that is not there.
func (o *Object) Duration(key string) (time.Duration, bool) {
	v, ok := o.get(key, kindString, kindNumber)
	if !ok || v.text == "" {
		return 0, false
	}
	d, err := time.ParseDuration(v.text)
	if err != nil {
		o.Problem(key, `want a duration with its unit, such as "90s" or "5m"`)
		return 0, false
	}
	return d, true
}

// Strings returns a list of texts or numbers. It is not nil if the key is there.
func (o *Object) Strings(key string) ([]string, bool) {
	v, ok := o.get(key, kindList)
	if !ok {
		return nil, false
	}
	texts := make([]string, 0, len(v.list))
	for i, element := range v.list {
		switch element.kind {
		case kindString, kindNumber:
			texts = append(texts, element.text)
		case kindInvalid:
			ok = false
		default:
			o.ElementProblem(key, i, "want a string, not %v", element.kind)
			ok = false
		}
	}
	if !ok {
		return nil, false
	}
	return texts, true
}

// Object returns an object: a block or an object in an attribute. A list with
// one object in it will do, since JSON often writes a block so.
func (o *Object) Object(key string) (*Object, bool) {
	if v := o.members[key]; v.kind == kindList && len(v.list) == 1 && v.list[0].kind == kindObject {
		o.asked[key] = true
		return v.list[0].object, true
	}
	v, ok := o.get(key, kindObject)
	return v.object, ok
}

// get returns a value that has one of the wanted kinds.
func (o *Object) get(key string, wanted ...kind) (value, bool) {
	if !o.Has(key) {
		if o.members[key].kind == kindNull && wanted[0] != kindString {
			o.Problem(key, "is null: want %v, or no such key", wanted[0])
		}
		return value{}, false
	}
	v := o.members[key]
	if slices.Contains(wanted, v.kind) {
		return v, true
	}
	if v.kind != kindInvalid {
		o.Problem(key, "want %v, not %v", wanted[0], v.kind)
	}
	return value{}, false
}

// Problem reports that something is wrong with a key. The text must not repeat
// the value.
func (o *Object) Problem(key, format string, args ...any) {
	line := o.line
	if v, there := o.members[key]; there {
		line = v.line
	}
	o.report.add(line, o.join(key), format, args...)
}

// ElementProblem reports that something is wrong with an element of a list.
func (o *Object) ElementProblem(key string, i int, format string, args ...any) {
	line := o.line
	if v, there := o.members[key]; there {
		line = v.line
		if i < len(v.list) {
			line = v.list[i].line
		}
	}
	o.report.add(line, elementPath(o.join(key), i), format, args...)
}

// SelfProblem reports that something is wrong with the object as a whole.
func (o *Object) SelfProblem(format string, args ...any) {
	o.report.add(o.line, o.path, format, args...)
}

// Problems returns everything that is wrong in the order of the text: what was
// reported so far, in objects within too, and each key that nobody asked for.
func (o *Object) Problems() []Problem {
	all := report{problems: slices.Clone(o.report.problems)}
	o.unknown(&all)
	return sorted(all.problems)
}

// join returns the path of a key of o.
func (o *Object) join(key string) string {
	if !plainKey(key) {
		key = quotedKey(key)
	}
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

func elementPath(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// plainKey says whether a key can be written without quotes.
func plainKey(key string) bool {
	return key != "" && len(key) <= maxShownKey && !strings.ContainsFunc(key, func(r rune) bool {
		return r > 0x7f || r != '_' && r != '-' && !isDigit(byte(r)) && !isASCIILetter(byte(r))
	})
}

// quotedKey is a key as a message shows it.
func quotedKey(key string) string {
	if short := shorten(key); short != key {
		key = short + "…"
	}
	return strconv.Quote(key)
}
