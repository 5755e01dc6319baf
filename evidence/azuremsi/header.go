package azuremsi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/internal/strictjson"
)

// header is a token's protected header. x5t and x5c, which Entra ID may add, are
// not looked at: only kid says which published key to use.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`

	// No token of Entra ID has these. They would change what is signed, or bring
	// a key along.
	Critical json.RawMessage `json:"crit"`
	B64      json.RawMessage `json:"b64"`
	Zip      json.RawMessage `json:"zip"`
	JWK      json.RawMessage `json:"jwk"`
	JKU      json.RawMessage `json:"jku"`
	X5U      json.RawMessage `json:"x5u"`
}

// parseHeader reads a header and checks all of it that can be checked without a
// key.
func parseHeader(data []byte, algorithms []string) (header, error) {
	var h header
	options := strictjson.Options{MaxDepth: maxHeaderDepth, AllowUnknownFields: true}
	if err := strictjson.Unmarshal(data, &h, options); err != nil {
		return header{}, fmt.Errorf("header: %w", err)
	}
	for _, refused := range []struct {
		key   string
		value json.RawMessage
	}{
		{"crit", h.Critical}, {"b64", h.B64}, {"zip", h.Zip}, {"jwk", h.JWK}, {"jku", h.JKU}, {"x5u", h.X5U},
	} {
		if refused.value != nil {
			return header{}, fmt.Errorf("header: %s is not allowed", refused.key)
		}
	}
	if h.Algorithm == "" {
		return header{}, errors.New("header: alg is missing")
	}
	if !slices.Contains(algorithms, h.Algorithm) {
		return header{}, fmt.Errorf("header: alg %.32q is not allowed; %s is", h.Algorithm, strings.Join(algorithms, " or "))
	}
	if err := checkText("kid", h.KeyID); err != nil {
		return header{}, fmt.Errorf("header: %w", err)
	}
	if h.KeyID == "" {
		return header{}, errors.New("header: kid is missing")
	}
	if h.Type != "" && !strings.EqualFold(h.Type, "JWT") && !strings.EqualFold(h.Type, "at+jwt") {
		return header{}, fmt.Errorf("header: typ %.32q is not that of an access token", h.Type)
	}
	return h, nil
}
