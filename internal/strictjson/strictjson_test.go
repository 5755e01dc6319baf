package strictjson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/strictjson"
)

type inner struct {
	Name string `json:"name"`
}

type outer struct {
	ID     string           `json:"id"`
	List   []inner          `json:"list,omitempty"`
	Map    map[string]inner `json:"map,omitempty"`
	Any    any              `json:"any,omitempty"`
	Ptr    *inner           `json:"ptr,omitempty"`
	Hidden string           `json:"-"`
	Raw    json.RawMessage  `json:"raw,omitempty"`
}

func TestUnmarshalAccepts(t *testing.T) {
	for name, tc := range map[string]struct {
		data    string
		options strictjson.Options
		want    outer
	}{
		"empty object":          {data: `{}`},
		"space around":          {data: " \n\t{\"id\" : \"a\"}\r\n", want: outer{ID: "a"}},
		"same key, two objects": {data: `{"list":[{"name":"a"},{"name":"b"}]}`, want: outer{List: []inner{{"a"}, {"b"}}}},
		"map keys are free":     {data: `{"map":{"Name":{"name":"a"}}}`, want: outer{Map: map[string]inner{"Name": {"a"}}}},
		"pointer":               {data: `{"ptr":{"name":"a"}}`, want: outer{Ptr: &inner{"a"}}},
		"any is free":           {data: `{"any":{"Name":[1]}}`, want: outer{Any: map[string]any{"Name": []any{1.0}}}},
		"raw is free":           {data: `{"raw":{"Name":1e999}}`, want: outer{Raw: json.RawMessage(`{"Name":1e999}`)}},
		"surrogate pair":        {data: `{"id":"\ud83d\ude00"}`, want: outer{ID: "😀"}},
		"escaped backslash":     {data: `{"id":"\\ud800"}`, want: outer{ID: `\ud800`}},
		"a string like a key":   {data: `{"id":"id","any":"any"}`, want: outer{ID: "id", Any: "any"}},
		"unknown field allowed": {data: `{"id":"a","more":{"x":[{"Id":1}]}}`, options: strictjson.Options{AllowUnknownFields: true}, want: outer{ID: "a"}},
		"as deep as allowed":    {data: `{"any":{"a":[1]}}`, options: strictjson.Options{MaxDepth: 3}, want: outer{Any: map[string]any{"a": []any{1.0}}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got outer
			if err := strictjson.Unmarshal([]byte(tc.data), &got, tc.options); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		data    string
		options strictjson.Options
		want    string
	}{
		"nothing":               {data: ``, want: `unexpected end of JSON input`},
		"array":                 {data: `[{}]`, want: `not a JSON object`},
		"null":                  {data: `null`, want: `not a JSON object`},
		"string":                {data: ` "a"`, want: `not a JSON object`},
		"cut off":               {data: `{"id":"a"`, want: `unexpected end of JSON input`},
		"two objects":           {data: `{}{}`, want: `invalid character '{' after top-level value`},
		"trailing text":         {data: `{} x`, want: `invalid character 'x' after top-level value`},
		"trailing NUL":          {data: "{}\x00", want: `invalid character '\x00' after top-level value`},
		"trailing comma":        {data: `{"list":[],}`, want: `invalid character '}' looking for beginning of object key string`},
		"byte order mark":       {data: "\ufeff{}", want: `invalid character 'ï' looking for beginning of value`},
		"broken UTF-8":          {data: "{\"id\":\"\xff\"}", want: `not valid UTF-8`},
		"high surrogate alone":  {data: `{"id":"\ud800"}`, want: `half a character in a \u escape`},
		"high surrogate twice":  {data: `{"id":"\ud800\ud800"}`, want: `half a character in a \u escape`},
		"high, then text":       {data: `{"id":"\uD800dc00xx"}`, want: `half a character in a \u escape`},
		"low surrogate alone":   {data: `{"id":"\uDC00"}`, want: `half a character in a \u escape`},
		"equal keys":            {data: `{"id":"a","id":"a"}`, want: `key "id" appears twice`},
		"equal when decoded":    {data: `{"id":"a","\u0069d":"a"}`, want: `key "id" appears twice`},
		"case variant":          {data: `{"id":"a","ID":"a"}`, want: `keys "id" and "ID" differ in case only`},
		"case variant, deep":    {data: `{"any":{"b":1,"B":2}}`, want: `keys "b" and "B" differ in case only`},
		"unknown case variant":  {data: `{"\u212a":1,"k":1}`, options: strictjson.Options{AllowUnknownFields: true}, want: "keys \"\u212a\" and \"k\" differ in case only"},
		"equal keys, deep":      {data: `{"any":[{"a":[{"x":1,"x":2}]}]}`, want: `key "x" appears twice`},
		"equal keys, raw":       {data: `{"raw":{"x":1,"x":2}}`, want: `key "x" appears twice`},
		"equal after a value":   {data: `{"id":"a","any":{"id":1},"id":"b"}`, want: `key "id" appears twice`},
		"unknown field":         {data: `{"more":1}`, want: `unknown key "more"`},
		"unknown, in a list":    {data: `{"list":[{},{"more":1}]}`, want: `unknown key "more"`},
		"unknown, in a map":     {data: `{"map":{"a":{"more":1}}}`, want: `unknown key "more"`},
		"unknown, in a pointer": {data: `{"ptr":{"more":1}}`, want: `unknown key "more"`},
		"ignored field":         {data: `{"Hidden":"a"}`, want: `unknown key "Hidden"`},
		"wrong case":            {data: `{"Id":"a"}`, want: `key "Id" must be written "id"`},
		"wrong case, in a list": {data: `{"list":[{"NAME":"a"}]}`, options: strictjson.Options{AllowUnknownFields: true},
			want: `key "NAME" must be written "name"`},
		"wrong type":         {data: `{"id":1}`, want: `json: cannot unmarshal number into Go struct field outer.id of type string`},
		"too deep":           {data: `{"any":{"a":[[1]]}}`, options: strictjson.Options{MaxDepth: 3}, want: `nested deeper than 3 levels`},
		"two levels for one": {data: `{"any":{}}`, options: strictjson.Options{MaxDepth: 1}, want: `nested deeper than 1 levels`},
		"depth bomb":         {data: `{"any":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, want: `nested deeper than 16 levels`},
		"long key":           {data: `{"` + strings.Repeat("k", 1000) + `":1}`, want: `unknown key "` + strings.Repeat("k", 64) + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			var got outer
			err := strictjson.Unmarshal([]byte(tc.data), &got, tc.options)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// What passes is one object, and writing it again and reading that loses no key and
// changes no meaning.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"A":2}`, `{"a":{"a":[1,"\ud83d\ude00"]}}`, `{"\u0061":1e999}`, `{"k":1,"\u212a":2}`, `[]`, `{}{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		options := strictjson.Options{MaxDepth: 8}
		var object, same map[string]json.RawMessage
		if strictjson.Unmarshal(data, &object, options) != nil {
			return
		}
		again, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if err := strictjson.Unmarshal(again, &same, options); err != nil {
			t.Errorf("passed, but not when written again: %v", err)
		}
		if len(same) != len(object) {
			t.Errorf("%d keys, but %d when written again", len(object), len(same))
		}
		for a := range object {
			for b := range object {
				if a != b && strings.EqualFold(a, b) {
					t.Errorf("keys %q and %q passed", a, b)
				}
			}
		}
	})
}
