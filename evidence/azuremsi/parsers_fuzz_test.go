package azuremsi

import (
	"crypto/elliptic"
	"encoding/json"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// FuzzKeySet: whatever an authority publishes, a set is usable, bounded, and its
// keys are found by their IDs; or there is none.
func FuzzKeySet(f *testing.F) {
	rsa, ec := entra.NewKey("rsa"), entra.NewECKey("ec", elliptic.P256())
	for _, set := range []any{
		entra.Set([]entra.Key{rsa, ec}, true), entra.Set([]entra.Key{rsa, rsa}, false), entra.Set([]entra.Key{rsa.With("n", "AA")}, true),
		entra.Set([]entra.Key{rsa.With("use", "enc"), ec}, true), entra.Set([]entra.Key{ec.With("crv", "P-521")}, true),
		entra.Set(nil, true), map[string]any{"keys": []any{1, nil, "x"}},
	} {
		text, err := json.Marshal(set)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := parseKeySet(text)
		if (err == nil) == (set.count() == 0) || set.count() > maxKeys {
			t.Fatalf("%d keys, %v", set.count(), err)
		}
		for id := range set.keys {
			if id == "" || !set.has(id) {
				t.Errorf("key %q can't be found", id)
			}
		}
	})
}

// FuzzGraphRow: of a row of Resource Graph's comes the machine that was asked for,
// or an error.
func FuzzGraphRow(f *testing.F) {
	const text = "/subscriptions/0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m"
	id, err := parseResourceID(text)
	if err != nil {
		f.Fatal(err)
	}
	for _, row := range []string{
		`{"id":"` + text + `","name":"m","location":"westeurope","tags":{"a":"b"},"identity":{"principalId":"p"},"properties":{"networkProfile":{"networkInterfaces":[{"id":"x"}]}}}`,
		`{"id":"` + text + `/extensions/x"}`, `{"id":1}`, `{}`, `{"properties":null,"tags":[],"zones":["1","2"]}`, `{"properties":{"timeCreated":"soon"}}`,
	} {
		f.Add([]byte(row))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var row map[string]any
		if json.Unmarshal(text, &row) != nil {
			return
		}
		m, err := convertRow(id, row, machineOfVM)
		if err == nil && (m.vm.ID != id.ID || len(m.interfaces) > maxInterfaces || len(m.vm.Tags) > maxTags) {
			t.Errorf("%s became %+v", text, m)
		}
	})
}
