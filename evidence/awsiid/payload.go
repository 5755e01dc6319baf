package awsiid

import (
	"errors"
	"fmt"

	"github.com/spire-gatehouse/gatehouse/internal/strictjson"
)

// payload is what SPIRE's agent sends: three strings that it fetched from the
// instance metadata service below /latest/dynamic/instance-identity/.
type payload struct {
	// Document is the instance identity document, byte for byte.
	Document string

	// Signature is the base64 of an RSA-1024 signature over the document.
	Signature string

	// RSA2048 is the base64, with line ends, of a PKCS#7 envelope that holds the
	// document and an RSA-2048 signature over it.
	RSA2048 string
}

// parsePayload reads a payload that has these as document, signature and rsa2048,
// and no other keys.
func parsePayload(data []byte) (payload, error) {
	if len(data) > maxPayload {
		return payload{}, fmt.Errorf("payload of %d bytes is over %d", len(data), maxPayload)
	}
	// A key that isn't there leaves its text empty, null makes the pointer nil.
	var p payload
	sent := struct {
		Document  *string `json:"document"`
		Signature *string `json:"signature"`
		RSA2048   *string `json:"rsa2048"`
	}{&p.Document, &p.Signature, &p.RSA2048}
	if err := strictjson.Unmarshal(data, &sent, strictjson.Options{MaxDepth: 1}); err != nil {
		return payload{}, fmt.Errorf("payload: %w", err)
	}
	for _, field := range []struct {
		key  string
		text *string
		max  int
	}{
		{"document", sent.Document, maxDocument},
		{"signature", sent.Signature, maxSignatureText},
		{"rsa2048", sent.RSA2048, maxEnvelopeText},
	} {
		if field.text == nil {
			return payload{}, fmt.Errorf("payload: %s is null, which an agent never sends", field.key)
		}
		if len(*field.text) > field.max {
			return payload{}, fmt.Errorf("payload: %s of %d bytes is over %d", field.key, len(*field.text), field.max)
		}
	}
	if p.Document == "" {
		return payload{}, errors.New("payload: document is missing")
	}
	if p.Signature == "" && p.RSA2048 == "" {
		return payload{}, errors.New("payload: both signatures, rsa2048 and signature, are missing")
	}
	return p, nil
}
