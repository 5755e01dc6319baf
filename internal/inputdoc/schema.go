package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// schema is what the reference tells of a JSON Schema.
type schema struct {
	Type        string     `json:"type"`
	Format      string     `json:"format"`
	Enum        []string   `json:"enum"`
	Description string     `json:"description"`
	Required    []string   `json:"required"`
	Properties  properties `json:"properties"`
	Items       *schema    `json:"items"`

	// Values are those of an object with any keys.
	Values values `json:"additionalProperties"`
}

func readSchema(name string) (schema, error) {
	var s schema
	text, err := fs.ReadFile(policies.Baseline(), "schemas/"+name+".json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// properties keep the order of the schema, which readers profit from.
type properties []property

type property struct {
	Name string
	schema
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *properties) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if _, err := decoder.Token(); err != nil { // {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		one := property{Name: fmt.Sprint(name)}
		if err := decoder.Decode(&one.schema); err != nil {
			return err
		}
		*p = append(*p, one)
	}
	return nil
}

// values is a schema, or false for none.
type values struct{ *schema }

// UnmarshalJSON implements json.Unmarshaler.
func (v *values) UnmarshalJSON(text []byte) error {
	if string(text) == "false" {
		return nil
	}
	v.schema = new(schema)
	return json.Unmarshal(text, v.schema)
}
