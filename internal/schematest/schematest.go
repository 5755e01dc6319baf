// Package schematest checks, in tests, that what Go makes for policy is what
// policies/schemas describes. A collector that adds or renames a field without
// its schema fails its own tests by it.
package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// Input checks a whole input document, as rego.Input.Document returns it.
func Input(t testing.TB, plugin string, document any) {
	t.Helper()
	report(t, check(plugin, "", document))
}

// Evidence checks the claims of a piece of evidence.
func Evidence(t testing.TB, plugin string, claims any) {
	t.Helper()
	report(t, check(plugin, "#/properties/evidence", claims))
}

// Fact checks the value of a fact.
func Fact(t testing.TB, plugin, name string, value any) {
	t.Helper()
	report(t, check(plugin, "#/properties/facts/properties/"+name, value))
}

// Config checks what a plugin's configuration gives to policy.
func Config(t testing.TB, plugin string, config any) {
	t.Helper()
	report(t, check(plugin+"_config", "", config))
}

func report(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// check validates value's JSON against a part of a schema.
func check(schema, part string, value any) error {
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
	if err := compiled.Validate(instance); err != nil {
		return fmt.Errorf("%s does not follow policies/schemas/%s.json%s: %w", text, schema, part, err)
	}
	return nil
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
