package azuremsi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/spire-gatehouse/gatehouse/internal/strictjson"
)

// payload is what SPIRE's agent sends.
type payload struct {
	Token string `json:"token"`
}

// parsePayload returns the token of a payload that has that key and no other.
func parsePayload(data []byte) (string, error) {
	if len(data) > maxPayload {
		return "", fmt.Errorf("payload of %d bytes is over %d", len(data), maxPayload)
	}
	var p payload
	if err := strictjson.Unmarshal(data, &p, strictjson.Options{MaxDepth: 1}); err != nil {
		return "", fmt.Errorf("payload: %w", err)
	}
	if p.Token == "" {
		return "", errors.New("payload: token is missing")
	}
	if len(p.Token) > maxToken {
		return "", fmt.Errorf("payload: token of %d bytes is over %d", len(p.Token), maxToken)
	}
	return p.Token, nil
}

// compact is a JWS in compact serialization (RFC 7515, section 7.1), decoded.
type compact struct {
	header, claims, signature []byte
}

// split decodes the three parts of a token. It takes one spelling of each only,
// so that one token has one digest.
func split(token string) (compact, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return compact{}, fmt.Errorf("token has %d parts, not the 3 of a compact JWS", len(parts))
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "claims", "signature"} {
		// DecodeString skips line ends, which are not of the alphabet either.
		if strings.ContainsAny(parts[i], "\r\n") {
			return compact{}, fmt.Errorf("token's %s has a line end", name)
		}
		var err error
		decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err != nil {
			return compact{}, fmt.Errorf("token's %s is not base64url: %w", name, err)
		}
		if len(decoded[i]) == 0 {
			return compact{}, fmt.Errorf("token's %s is empty", name)
		}
	}
	c := compact{header: decoded[0], claims: decoded[1], signature: decoded[2]}
	if len(c.header) > maxHeader {
		return compact{}, fmt.Errorf("token's header of %d bytes is over %d", len(c.header), maxHeader)
	}
	if len(c.signature) > maxSignature {
		return compact{}, fmt.Errorf("token's signature of %d bytes is over %d", len(c.signature), maxSignature)
	}
	return c, nil
}
