// Package strictjson reads JSON from outside that must have one meaning only.
//
// encoding/json takes the last of several equal keys, matches keys to struct
// fields without regard to case, and replaces broken Unicode. What a signature
// covers, what a log shows and what the program reads can then be three
// different things. Here such input is an error. Start with [Unmarshal].
//
// Sizes are the caller's to bound, before it calls.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// DefaultMaxDepth is how deep objects and arrays may nest unless Options say
// otherwise.
const DefaultMaxDepth = 16

// Options relax or tighten what Unmarshal takes. The zero value is the strictest.
type Options struct {
	// MaxDepth bounds how deep objects and arrays nest; the outermost object
	// counts as one. Zero means DefaultMaxDepth.
	MaxDepth int

	// AllowUnknownFields lets keys pass that the Go value has no field for, as
	// long as none differs from a known one in case only.
	AllowUnknownFields bool
}

// Unmarshal decodes data into value, a pointer, after it made sure that data is
// exactly one JSON object in valid Unicode, nested no deeper than allowed, in which
// no object has two keys that are equal or differ in case only, and that keys are
// written exactly as the fields of the structs that they are decoded into.
func Unmarshal(data []byte, value any, options Options) error {
	if err := check(data, reflect.TypeOf(value), options); err != nil {
		return err
	}
	return json.Unmarshal(data, value)
}

// check does all the checks. target is the type of what data is decoded into.
func check(data []byte, target reflect.Type, options Options) error {
	if options.MaxDepth == 0 {
		options.MaxDepth = DefaultMaxDepth
	}
	if !utf8.Valid(data) {
		return errors.New("not valid UTF-8")
	}
	if err := checkSyntax(data); err != nil {
		return err
	}
	if err := checkSurrogates(data); err != nil {
		return err
	}
	walker := walker{options: options, target: target}
	return walker.walk(data)
}

// checkSyntax asks for one object and nothing after it.
func checkSyntax(data []byte) error {
	if !json.Valid(data) {
		var none struct{}
		return json.Unmarshal(data, &none) // says where
	}
	if data = bytes.TrimLeft(data, " \t\r\n"); data[0] != '{' {
		return errors.New("not a JSON object")
	}
	return nil
}

// checkSurrogates refuses \u escapes that name half a character, for which
// encoding/json would read U+FFFD. Data is known to be valid JSON, so that a
// backslash is always inside a string and followed by what it escapes.
func checkSurrogates(data []byte) error {
	for {
		start := bytes.IndexByte(data, '\\')
		if start < 0 {
			return nil
		}
		data = data[start:]
		if data[1] != 'u' {
			data = data[2:]
			continue
		}
		unit := escaped(data)
		data = data[6:]
		switch {
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return errors.New("half a character in a \\u escape")
		case unit >= 0xD800 && unit <= 0xDBFF:
			if low := escaped(data); low < 0xDC00 || low > 0xDFFF {
				return errors.New("half a character in a \\u escape")
			}
			data = data[6:]
		}
	}
}

// escaped returns the UTF-16 unit of the \uXXXX at the start of data, 0 if there
// is none.
func escaped(data []byte) uint64 {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return unit
}

// quote shows a key in an error, shortened, as it comes from outside.
func quote(key string) string { return fmt.Sprintf("%.64q", key) }
