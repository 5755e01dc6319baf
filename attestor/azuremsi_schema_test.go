package attestor

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestAzureSchema holds the schema that policies are checked against and the
// types that the collector fills together: the same fields, of the same types,
// required when they are always there.
func TestAzureSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "policies", "schemas", "azure_msi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema typeSchema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	facts := schema.Properties["facts"].Properties
	compareType(t, "evidence", schema.Properties["evidence"], reflect.TypeFor[azuremsi.Claims]())
	compareType(t, "facts.virtual_machine", facts["virtual_machine"], reflect.TypeFor[azuremsi.VirtualMachine]())
	compareType(t, "facts.network", facts["network"], reflect.TypeFor[azuremsi.Network]())
	if len(facts) != 2 {
		t.Errorf("the schema has %d facts, compared are 2", len(facts))
	}
}

// typeSchema is as much of JSON Schema as the input's schema uses.
type typeSchema struct {
	Type                 string
	Format               string
	Required             []string
	Properties           map[string]typeSchema
	AdditionalProperties json.RawMessage
	Items                *typeSchema
}

func compareType(t *testing.T, path string, schema typeSchema, goType reflect.Type) {
	t.Helper()
	if goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
	}[goType.Kind()]
	if goType == reflect.TypeFor[time.Time]() {
		want = "string"
		if schema.Format != "date-time" {
			t.Errorf("%s: the schema says format %q for a time", path, schema.Format)
		}
	}
	if want == "" || schema.Type != want {
		t.Errorf("%s: the schema says %q, the type is %v", path, schema.Type, goType)
		return
	}
	switch {
	case want == "array":
		compareType(t, path+"[]", *schema.Items, goType.Elem())
	case goType.Kind() == reflect.Map:
		var values typeSchema
		if err := json.Unmarshal(schema.AdditionalProperties, &values); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		compareType(t, path+".*", values, goType.Elem())
	case want == "object":
		compareFields(t, path, schema, goType)
	}
}

func compareFields(t *testing.T, path string, schema typeSchema, goType reflect.Type) {
	t.Helper()
	if string(schema.AdditionalProperties) != "false" {
		t.Errorf("%s: the schema lets other fields pass", path)
	}
	var required []string
	fields := 0
	for _, field := range reflect.VisibleFields(goType) {
		if field.Anonymous {
			continue // its fields are visible themselves
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, there := schema.Properties[name]
		if !there {
			t.Errorf("%s: the type has %q, the schema has not", path, name)
			continue
		}
		fields++
		if options == "" {
			required = append(required, name)
		}
		compareType(t, path+"."+name, property, field.Type)
	}
	if fields != len(schema.Properties) {
		t.Errorf("%s: the schema has %d properties, the type %d fields", path, len(schema.Properties), fields)
	}
	slices.Sort(required)
	slices.Sort(schema.Required)
	if !slices.Equal(required, schema.Required) {
		t.Errorf("%s: the schema requires %v, always there are %v", path, schema.Required, required)
	}
}

// TestAzureEvidenceFollowsSchema checks what the collector makes of really signed
// tokens, and of Resource Manager's answers.
func TestAzureEvidenceFollowsSchema(t *testing.T) {
	s := newAzureScene(t)
	options := azureDefaults(t, nil).collectorOptions(host{now: time.Now})
	s.connect(&options)
	collector, err := azuremsi.New(options)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]entra.Token{
		"a virtual machine": s.vm(),
		"nameless":          s.nameless(),
		"a user's":          s.vm().With("scp", "a b").With("idtyp", "user"),
		"a scale set's":     s.vm(func(m *entra.Machine) { m.ManagedIdentity = azureScaleSet; m.Version = "2.0" }),
		"an instance's": s.vm(func(m *entra.Machine) {
			m.ManagedIdentity, m.AzureResource = azureScaleSet, azureScaleSet+"/virtualMachines/3"
		}),
	} {
		ev, err := collector.Verify(t.Context(), azurePayload(t, token.Sign()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		schematest.Evidence(t, "azure_msi", ev.Claims())
		gathered := ev.Gather(t.Context(), collector.FactNames())
		for name, fact := range gathered {
			if fact.Value != nil {
				schematest.Fact(t, "azure_msi", name, fact.Value)
			}
		}
		if known := fmt.Sprint(gathered["virtual_machine"].Status, gathered["network"].Status); strings.HasSuffix(name, "machine") && known != "knownknown" {
			t.Errorf("%s: facts are %s", name, known)
		}
	}
}
