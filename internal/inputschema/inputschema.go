// Package inputschema checks documents against the schemas that policies are
// written for: policies/schemas.
package inputschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// Check validates a value's JSON against a part of a schema: "aws_iid" or
// "aws_iid_config", say, and "#/properties/evidence", or "" for the whole.
func Check(schema, part string, value any) error {
	compiled, err := compile(schema, part)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return compiled.Validate(instance)
}

func compile(schema, part string) (*jsonschema.Schema, error) {
	name := "schemas/" + schema + ".json"
	text, err := fs.ReadFile(policies.Baseline(), name)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	url := "embedded:///" + name
	if err := compiler.AddResource(url, document); err != nil {
		return nil, err
	}
	return compiler.Compile(url + part)
}
