package awsiid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// Whatever is done to a payload that AWS signed, nothing but that document is
// taken. AWS's key, rather than the test authority's, as each fuzzing process
// would make its own.
func FuzzVerify(f *testing.F) {
	collector, real := embedded(f), vector(f)
	f.Add([]byte(real.document), []byte(nil), real.envelope)
	f.Add([]byte(real.document), []byte("x"), []byte(nil))
	f.Add([]byte(`{"region":"us-west-2"}`), []byte("x"), append([]byte{0x30, 0x80}, real.envelope...))
	f.Fuzz(func(t *testing.T, document, signature, envelope []byte) {
		checkFuzzed(t, collector, real, authority.Payload(document, signature, envelope))
	})
}

// The same for the bytes that carry document and signatures.
func FuzzVerifyPayload(f *testing.F) {
	collector, real := embedded(f), vector(f)
	f.Add(real.payload())
	f.Add([]byte(`{"document":"{}","Document":"{}"}`))
	f.Fuzz(func(t *testing.T, payload []byte) { checkFuzzed(t, collector, real, payload) })
}

func checkFuzzed(t *testing.T, collector *awsiid.Collector, real wire, payload []byte) {
	got, err := collector.Verify(context.Background(), payload)
	if (got == nil) == (err == nil) {
		t.Fatalf("both or neither: %v, %v", got, err)
	}
	if err != nil {
		return
	}
	var sent struct{ Document string }
	if err := json.Unmarshal(payload, &sent); err != nil || sent.Document != real.document {
		t.Errorf("accepted %q as %+v", payload, got.Claims())
	}
}

func BenchmarkVerify(b *testing.B) {
	ours, _ := authorities(b)
	collector := trusting(b, nil, ours)
	document := authority.NewDocument(testRegion).JSON()
	signature := mustSign(b, func() ([]byte, error) { return ours.SignRSA1024(document) })
	good := mustSign(b, func() ([]byte, error) { return ours.Payload(document) })
	bomb := authority.Payload(document, nil, bytes.Repeat([]byte{0x30, 0x80}, 6<<10))
	for name, payload := range map[string][]byte{
		"rsa2048": good, "rsa1024": authority.Payload(document, signature, nil), "nested": bomb,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := collector.Verify(context.Background(), payload); (err == nil) == (name == "nested") {
					b.Fatal(err)
				}
			}
		})
	}
}
