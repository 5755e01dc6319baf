package policies_test

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/spire-gatehouse/gatehouse/policies"
)

type schema struct {
	Type                 string            `json:"type"`
	Description          string            `json:"description"`
	Properties           map[string]schema `json:"properties"`
	Items                *schema           `json:"items"`
	AdditionalProperties json.RawMessage   `json:"additionalProperties"`
}

func readSchema(t *testing.T, name string) schema {
	t.Helper()
	text, err := fs.ReadFile(policies.Baseline(), name)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func checkDescribed(t *testing.T, at string, s schema) {
	t.Helper()
	if s.Type == "" || s.Description == "" {
		t.Errorf("%s has no type or no description", at)
	}
	if s.Type == "object" && s.AdditionalProperties == nil {
		t.Errorf("%s takes any property", at)
	}
	if s.Items != nil {
		checkDescribed(t, at+"[]", *s.Items)
	}
	for name, property := range s.Properties {
		checkDescribed(t, at+"."+name, property)
	}
}
