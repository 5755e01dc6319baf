// Package schematest checks, in tests, that what Go makes for policy is what
// policies/schemas describes. A collector that adds or renames a field without
// its schema fails its own tests by it.
package schematest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/inputschema"
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

// check says of what does not follow a schema what it is.
func check(schema, part string, value any) error {
	err := inputschema.Check(schema, part, value)
	if err == nil {
		return nil
	}
	text, marshalErr := json.Marshal(value)
	if marshalErr != nil {
		return marshalErr
	}
	return fmt.Errorf("%s does not follow policies/schemas/%s.json%s: %w", text, schema, part, err)
}
