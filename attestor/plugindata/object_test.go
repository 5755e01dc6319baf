package plugindata_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// settings is what a builder would make of ask.
type settings struct {
	Text    string
	Flag    bool
	TTL     time.Duration
	Names   []string
	Inner   string
	Tenants []string
}

func ask(o *plugindata.Object) settings {
	var s settings
	s.Text, _ = o.String("text")
	s.Flag, _ = o.Bool("skip_block_device")
	s.TTL, _ = o.Duration("ttl")
	s.Names, _ = o.Strings("names")
	if inner, ok := o.Object("inner"); ok {
		s.Inner, _ = inner.String("assume_org_role")
		if s.Inner == "" {
			inner.SelfProblem("must have assume_org_role")
		}
	}
	if tenants, ok := o.Object("tenants"); ok {
		for _, name := range tenants.Keys() {
			tenant, ok := tenants.Object(name)
			if !ok {
				continue
			}
			id, _ := tenant.String("resource_id")
			s.Tenants = append(s.Tenants, name+"="+id)
		}
	}
	for i, name := range s.Names {
		if strings.ContainsAny(name, " ") {
			o.ElementProblem("names", i, "is no name")
		}
	}
	if !o.Has("text") {
		o.Problem("text", "is missing")
	}
	return s
}

func TestObject(t *testing.T) {
	tests := []struct {
		name, text string
		want       settings
		problems   []string
	}{
		{
			name: "all",
			text: `text = "x" skip_block_device = true ttl = "3m" names = ["a", 012]
inner { assume_org_role = "r" } tenants "t1" { resource_id = "i" } tenants { t2 {} }`,
			want: settings{"x", true, 3 * time.Minute, []string{"a", "012"}, "r", []string{"t1=i", "t2="}},
		}, {
			name: "as HCL 1 takes it",
			text: `text = 12 skip_block_device = "true" ttl = "0s" names = []`,
			want: settings{Text: "12", Flag: true, Names: []string{}},
		}, {
			name: "JSON",
			text: `{"text": "x", "inner": [{"assume_org_role": "r"}], "names": ["a"], "skip_block_device": false}`,
			want: settings{Text: "x", Names: []string{"a"}, Inner: "r"},
		}, {
			name: "null in JSON",
			text: "{\"text\": null,\n\"ttl\": null,\n\"inner\": null,\n\"names\": null,\n\"skip_block_device\": null}",
			problems: []string{
				"line 1: text: is missing",
				"line 3: inner: is null: want an object, or no such key",
				"line 4: names: is null: want a list, or no such key",
				"line 5: skip_block_device: is null: want true or false, or no such key",
			},
		}, {
			name: "null in HCL",
			text: "text = null\nnames = null\ninner = null",
			problems: []string{
				"line 1: text: is null: want a value, or no such key",
				"line 2: names: is null: want a value, or no such key",
				"line 3: inner: is null: want a value, or no such key",
			},
		}, {
			name: "wrong types",
			text: "text = true\nskip_block_device = \"yes\"\nttl = 5\nnames = \"a\"\ninner = \"x\"\ntenants { a = 1 }",
			problems: []string{
				"line 1: text: want a string, not true or false",
				"line 2: skip_block_device: want true or false",
				`line 3: ttl: want a duration with its unit, such as "90s" or "5m"`,
				"line 4: names: want a list, not a string",
				"line 5: inner: want an object, not a string",
				"line 6: tenants.a: want an object, not a number",
			},
		}, {
			name: "wrong elements",
			text: "text = \"x\"\nnames = [\n\"a\",\ntrue,\n[],\n\"b c\"]",
			want: settings{Text: "x", Names: nil},
			problems: []string{
				"line 4: names[1]: want a string, not true or false",
				"line 5: names[2]: want a string, not a list",
			},
		}, {
			name:     "an element's line",
			text:     "text = \"x\"\nnames = [\n\"a\",\n\"b c\",\n]",
			want:     settings{Text: "x", Names: []string{"a", "b c"}},
			problems: []string{"line 4: names[1]: is no name"},
		}, {
			name: "unknown keys",
			text: `text = "x"
skip_block_devise = true
colour = "secret"
inner {
  Assume_Org_Role = "r"
}
tenants { a { b { c = 1 } } }`,
			want: settings{Text: "x", Tenants: []string{"a="}},
			problems: []string{
				`line 2: skip_block_devise: unknown key; did you mean "skip_block_device"?`,
				"line 3: colour: unknown key; known here: inner, names, skip_block_device, tenants, text, ttl",
				"line 4: inner: must have assume_org_role",
				`line 5: inner.Assume_Org_Role: unknown key; did you mean "assume_org_role"?`,
				"line 7: tenants.a.b: unknown key; known here: resource_id",
			},
		}, {
			name: "missing",
			text: "\n\nttl = \"1s\"",
			want: settings{TTL: time.Second},
			problems: []string{
				"text: is missing",
			},
		}, {
			name: "odd keys",
			text: `text = "x" "a\nb" = 1 "` + strings.Repeat("k", 500) + `" = 2`,
			want: settings{Text: "x"},
			problems: []string{
				`line 1: "a\nb": unknown key; known here: inner, names, skip_block_device, tenants, text, ttl`,
				`line 1: "` + strings.Repeat("k", 64) + `…": unknown key; known here: inner, names, skip_block_device, tenants, text, ttl`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := plugindata.Parse(tt.text)
			got := ask(o)
			var problems []string
			for _, problem := range o.Problems() {
				problems = append(problems, problem.String())
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if !reflect.DeepEqual(problems, tt.problems) {
				t.Errorf("got problems\n%s\nwant\n%s", strings.Join(problems, "\n"), strings.Join(tt.problems, "\n"))
			}
		})
	}
}

func ExampleParse() {
	o := plugindata.Parse(`
		skip_block_devise = true
		verify_organization {
			management_account_id = [1]
		}
	`)
	o.Bool("skip_block_device")
	if organization, ok := o.Object("verify_organization"); ok {
		organization.String("management_account_id")
	}
	for _, problem := range o.Problems() {
		fmt.Println(problem)
	}
	// Output:
	// line 2: skip_block_devise: unknown key; did you mean "skip_block_device"?
	// line 4: verify_organization.management_account_id: want a string, not a list
}

// Value is for parsers that read JSON, and asks for nothing.
func TestValue(t *testing.T) {
	o := plugindata.Parse(`text = "x" n = 12 yes = true list = ["a", 1, { deep = "d" }] block "a" { inner { b = 1.5 } } block "c" {}`)
	got, err := json.Marshal(o.Value())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"block":{"a":{"inner":{"b":1.5}},"c":{}},"list":["a",1,{"deep":"d"}],"n":12,"text":"x","yes":true}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if found := len(o.Problems()); found != 5 {
		t.Errorf("%d keys are unknown, want all 5", found)
	}
	if got := plugindata.Parse(`{"a": null, "b": [null, false]}`).Value(); !reflect.DeepEqual(got, map[string]any{"b": []any{nil, false}}) {
		t.Errorf("JSON: got %v", got)
	}
}
