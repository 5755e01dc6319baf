package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/strictjson"
)

// An object of the size of an agent's payload: a document with escapes, and a
// signature.
func BenchmarkUnmarshal(b *testing.B) {
	type payload struct{ Document, Signature string }
	data, err := json.Marshal(payload{strings.Repeat("{\n  \"key\" : \"value\",\n", 25), strings.Repeat("c2lnbmF0dXJl\n", 150)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var p payload
		if err := strictjson.Unmarshal(data, &p, strictjson.Options{MaxDepth: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
