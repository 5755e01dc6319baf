package attestor

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// builder makes a configuration of a text and an environment.
type builder[C any] func(text string, env func(string) string) (C, []plugindata.Problem)

// goodText is a text of plugin_data that makes a configuration.
type goodText[C any] struct {
	name, text string
	env        map[string]string
	want       C
}

// testGoodTexts has each text make the configuration that is wanted.
func testGoodTexts[C any](t *testing.T, build builder[C], tests []goodText[C]) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := build(tt.text, environment(tt.env))
			if len(problems) > 0 {
				t.Fatalf("problems: %v", problems)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, tt.want)
			}
		})
	}
}

// badText is a text of plugin_data that makes none.
type badText struct {
	name, text string
	env        map[string]string
	want       []problem
}

// problem is a plugindata.Problem, to be written without its fields' names.
type problem struct {
	Line     int
	Key, Msg string
}

// testBadTexts has each text bring out all its problems, and no configuration.
func testBadTexts[C any](t *testing.T, build builder[C], tests []badText) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, found := build(tt.text, environment(tt.env))
			var problems []problem
			for _, p := range found {
				problems = append(problems, problem(p))
			}
			if diff := cmp.Diff(tt.want, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			var none C
			if !reflect.DeepEqual(got, none) {
				t.Errorf("got a configuration beside problems: %+v", got)
			}
		})
	}
}

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}
