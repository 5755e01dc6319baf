package awsiid_test

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

func embedded(t testing.TB) *awsiid.Collector {
	t.Helper()
	collector, err := awsiid.New(awsiid.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return collector
}

func TestVerifyRealDocument(t *testing.T) {
	got, err := embedded(t).Verify(context.Background(), vector(t).payload())
	if err != nil {
		t.Fatal(err)
	}
	want := awsiid.Claims{
		AccountID:         "278576220453",
		Region:            "us-west-2",
		Partition:         "aws",
		AvailabilityZone:  "us-west-2a",
		InstanceID:        "i-078517ca8a70a1dde",
		InstanceType:      "t2.medium",
		ImageID:           "ami-0fa9e1f64142cde17",
		Architecture:      "x86_64",
		Version:           "2017-09-30",
		PrivateIP:         "10.0.0.209",
		PendingTime:       time.Date(2021, 9, 3, 21, 25, 44, 0, time.UTC),
		SignatureKind:     awsiid.RSA2048,
		CertificateSHA256: "4e3569f2925a867a0c2f1b64efe101d4b4853d11c4f81c1e72aae201a92020b4",
		DocumentSHA256:    "087d9d2622a6771f6e871966f0e6d602f14e86a25bee4efdf835bf4f77b3c155",
	}
	if !reflect.DeepEqual(got.Claims(), want) {
		t.Errorf("got  %+v\nwant %+v", got.Claims(), want)
	}
	if got, want := got.Identity(), "aws/278576220453/i-078517ca8a70a1dde"; got != want {
		t.Errorf("identity %s, want %s", got, want)
	}
}

// Each case changes one thing in a payload that AWS signed.
func TestVerifyRefusesTamperedRealDocument(t *testing.T) {
	collector := embedded(t)
	real := vector(t)
	realText, realBase64 := quoteJSON(t, real.document), base64.StdEncoding.EncodeToString(real.envelope)

	document := func(old, changed string) []byte {
		if !strings.Contains(real.document, old) {
			t.Fatalf("document has no %s", old)
		}
		return wire{document: strings.Replace(real.document, old, changed, 1), envelope: real.envelope}.payload()
	}
	envelope := func(old, changed []byte) []byte {
		if bytes.Count(real.envelope, old) == 0 {
			t.Fatalf("envelope has no % x", old)
		}
		return wire{document: real.document, envelope: bytes.Replace(real.envelope, old, changed, 1)}.payload()
	}
	both := func(old, changed string) []byte {
		return wire{
			document: strings.Replace(real.document, old, changed, 1),
			envelope: bytes.Replace(real.envelope, []byte(old), []byte(changed), 1),
		}.payload()
	}
	flip := func(at int) []byte {
		changed := bytes.Clone(real.envelope)
		changed[at] ^= 1
		return wire{document: real.document, envelope: changed}.payload()
	}
	last := bytes.LastIndex(real.envelope, []byte{4, 0x82, 1, 0}) // the signature's header
	serial := []byte{0xB6, 0x4B, 0xDE, 0x5A, 0xD0, 0x09, 0x24, 0xCC}
	sha256OID := mustDER(t, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1})
	sha1OID := mustDER(t, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 9})

	for name, tc := range map[string]struct {
		payload []byte
		want    string
	}{
		// The document beside the envelope.
		"another account":      {document(`278576220453`, `278576220454`), "rsa2048: what is signed is not the document"},
		"another instance":     {document(`70a1dde`, `70a1ddf`), "rsa2048: what is signed is not the document"},
		"another region":       {document(`"us-west-2"`, `"us-west-1"`), `document: availabilityZone "us-west-2a" is not one of region us-west-1`},
		"space added":          {document(` : `, `  : `), "rsa2048: what is signed is not the document"},
		"line end added":       {wire{document: real.document + "\n", envelope: real.envelope}.payload(), "rsa2048: what is signed is not the document"},
		"re-encoded":           {wire{document: compactJSON(t, real.document), envelope: real.envelope}.payload(), "rsa2048: what is signed is not the document"},
		"key twice":            {document("{\n", "{\n  \"accountId\" : \"999999999999\",\n"), `document: key "accountId" appears twice`},
		"key in another case":  {document("{\n", "{\n  \"AccountId\" : \"999999999999\",\n"), `document: key "AccountId" must be written "accountId"`},
		"second document":      {wire{document: real.document + real.document, envelope: real.envelope}.payload(), `document: invalid character '{' after top-level value`},
		"no document":          {wire{envelope: real.envelope}.payload(), "payload: document is missing"},
		"signed by an unknown": {bytesReplace(t, real, "us-west-2", "us-west-9"), "rsa2048: no certificate of region us-west-9 is known"},

		// Document and envelope alike.
		"another account, both":  {both(`278576220453`, `278576220454`), "rsa2048: pkcs7: Message digest mismatch"},
		"another instance, both": {both(`70a1dde`, `70a1ddf`), "rsa2048: pkcs7: Message digest mismatch"},
		"newer, both":            {both(`2021-09-03T21`, `2022-09-03T21`), "rsa2048: pkcs7: Message digest mismatch"},
		"region swapped, both":   {bytesReplace(t, real, "us-west-2", "us-east-2"), "rsa2048: signer with serial number b64bde5ad00924cc is not one of the region's certificates"},

		// The envelope.
		"content":                {envelope([]byte("278576220453"), []byte("278576220454")), "rsa2048: what is signed is not the document"},
		"digest attribute":       {envelope([]byte{0x08, 0x7D, 0x9D, 0x26}, []byte{0x09, 0x7D, 0x9D, 0x26}), "rsa2048: pkcs7: Message digest mismatch"},
		"signing time":           {envelope([]byte("210903212547Z"), []byte("210903212548Z")), "rsa2048: crypto/rsa: verification error"},
		"signing time too early": {envelope([]byte("210903212547Z"), []byte("110903212547Z")), "rsa2048: pkcs7: signing time"},
		"signature, first bit":   {flip(last + 4), "rsa2048: crypto/rsa: verification error"},
		"signature, last bit":    {flip(last + 4 + 255), "rsa2048: crypto/rsa: verification error"},
		"serial number":          {envelope(serial, append([]byte{0xB7}, serial[1:]...)), "rsa2048: signer with serial number b74bde5ad00924cc"},
		"issuer":                 {envelope([]byte("Amazon Web"), []byte("Amason Web")), "rsa2048: signer with serial number"},
		"digest algorithm":       {envelope(sha256OID, sha1OID), "rsa2048: signed data: digest algorithms other than SHA-256 alone"},
		"trailing byte":          {wire{document: real.document, envelope: append(bytes.Clone(real.envelope), 0)}.payload(), "rsa2048: BER: 1 bytes after its end"},
		"trailing message":       {wire{document: real.document, envelope: append(bytes.Clone(real.envelope), real.envelope...)}.payload(), "rsa2048: BER: 1108 bytes after its end"},
		"empty":                  {[]byte(`{"document":` + realText + `,"signature":"","rsa2048":"\n"}`), "rsa2048: BER: cut off"},

		// The payload.
		"payload key twice":    {[]byte(`{"document":"{}","document":` + realText + `,"signature":"","rsa2048":"` + realBase64 + `"}`), `payload: key "document" appears twice`},
		"payload key's case":   {[]byte(`{"document":` + realText + `,"Document":"{}","rsa2048":"` + realBase64 + `"}`), `payload: keys "document" and "Document" differ in case only`},
		"payload key unknown":  {[]byte(`{"document":` + realText + `,"pkcs7":"","rsa2048":"` + realBase64 + `"}`), `payload: unknown key "pkcs7"`},
		"payload and more":     {append(real.payload(), '}'), `payload: invalid character '}' after top-level value`},
		"payload a list":       {[]byte(`[` + string(real.payload()) + `]`), `payload: not a JSON object`},
		"signature a number":   {[]byte(`{"document":` + realText + `,"signature":1,"rsa2048":"` + realBase64 + `"}`), `payload: json: cannot unmarshal number`},
		"signature nested":     {[]byte(`{"document":` + realText + `,"signature":{},"rsa2048":"` + realBase64 + `"}`), `payload: nested deeper than 1 levels`},
		"no signature at all":  {wire{document: real.document}.payload(), "payload: both signatures, rsa2048 and signature, are missing"},
		"as the RSA-1024 kind": {wire{document: real.document, signature: real.envelope[last+4 : last+4+256]}.payload(), "rsa1024: crypto/rsa: verification error"},
		"not base64":           {[]byte(`{"document":` + realText + `,"rsa2048":"` + realBase64[:40] + `*"}`), "rsa2048: not base64"},
		"URL base64":           {[]byte(`{"document":` + realText + `,"rsa2048":"` + strings.NewReplacer("+", "-", "/", "_").Replace(realBase64) + `"}`), "rsa2048: not base64"},
		"PEM":                  {[]byte(`{"document":` + realText + `,"rsa2048":"-----BEGIN PKCS7-----\n` + realBase64 + `\n-----END PKCS7-----\n"}`), "rsa2048: not base64"},
		"base64 spare bits":    {[]byte(`{"document":` + realText + `,"rsa2048":"` + strings.TrimSuffix(realBase64, "A==") + `B=="}`), "rsa2048: not base64"},
		"1 MB":                 {[]byte(`{"document":"` + strings.Repeat("x", 1<<20) + `"}`), "payload of 1048591 bytes is over 65536"},
		"nothing":              {nil, "payload: unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, collector, tc.payload, tc.want) })
	}
}

// No bit of the envelope or the document is free.
func TestVerifyRefusesEveryChangedByte(t *testing.T) {
	collector := embedded(t)
	real := vector(t)
	for name, target := range map[string]int{"envelope": len(real.envelope), "document": len(real.document)} {
		t.Run(name, func(t *testing.T) {
			for at := range target {
				for _, bit := range []byte{0x01, 0x20, 0x80} {
					envelope, document := bytes.Clone(real.envelope), []byte(real.document)
					changed := envelope
					if name == "document" {
						changed = document
					}
					changed[at] ^= bit
					payload := wire{document: string(document), envelope: envelope}.payload()
					if _, err := collector.Verify(context.Background(), payload); err == nil {
						t.Errorf("byte %d changed by %#x: accepted", at, bit)
					}
				}
			}
		})
	}
}

func TestVerifyRefusesEveryTruncation(t *testing.T) {
	collector := embedded(t)
	real := vector(t)
	for length := range len(real.envelope) {
		payload := wire{document: real.document, envelope: real.envelope[:length]}.payload()
		if _, err := collector.Verify(context.Background(), payload); err == nil {
			t.Errorf("the first %d bytes: accepted", length)
		}
	}
	payload := real.payload()
	for length := range payload {
		if _, err := collector.Verify(context.Background(), payload[:length]); err == nil {
			t.Errorf("the first %d bytes of the payload: accepted", length)
		}
	}
}

// TestVerifyRefusesNestedBER: nesting is what PKCS#7 libraries choke on. It is refused for its
// size, its depth or its count of elements, which bound what reading it may cost.
func TestVerifyRefusesNestedBER(t *testing.T) {
	collector := embedded(t)
	real := vector(t)
	nested := func(size int) []byte { return bytes.Repeat([]byte{0x30, 0x80}, size/2) }
	for name, tc := range map[string]struct {
		payload []byte
		want    string
	}{
		"800 KB":         {wire{document: real.document, envelope: nested(800 << 10)}.payload(), "payload of "},
		"30 KB":          {wire{document: real.document, envelope: nested(30 << 10)}.payload(), "payload: rsa2048 of "},
		"13 KB":          {wire{document: real.document, envelope: nested(13 << 10)}.payload(), "rsa2048: BER of 13312 bytes is over 12288"},
		"12 KB":          {wire{document: real.document, envelope: nested(12 << 10)}.payload(), "rsa2048: BER: nested deeper than 16 levels"},
		"many, not deep": {wire{document: real.document, envelope: append([]byte{0x30, 0x80}, bytes.Repeat([]byte{5, 0}, 600)...)}.payload(), "rsa2048: BER: more than 512 elements"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, collector, tc.payload, tc.want)
		})
	}
}

// bytesReplace changes the document beside the envelope and in it.
func bytesReplace(t *testing.T, w wire, old, changed string) []byte {
	t.Helper()
	if len(old) != len(changed) {
		t.Fatal("lengths differ")
	}
	return wire{
		document: strings.ReplaceAll(w.document, old, changed),
		envelope: bytes.ReplaceAll(w.envelope, []byte(old), []byte(changed)),
	}.payload()
}

func quoteJSON(t *testing.T, text string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(quoted)
}

func compactJSON(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func mustDER(t *testing.T, value any) []byte {
	t.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(fmt.Errorf("%v: %w", value, err))
	}
	return der
}
