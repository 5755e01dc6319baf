package azuremsi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spire-gatehouse/gatehouse/internal/strictjson"
)

// token is the claims of an access token as Entra ID writes them. Microsoft
// documents them in
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
// except for xms_mirid and xms_az_rid.
type token struct {
	Audience         json.RawMessage `json:"aud"`
	Issuer           string          `json:"iss"`
	Subject          string          `json:"sub"`
	TenantID         string          `json:"tid"`
	ObjectID         string          `json:"oid"`
	Version          string          `json:"ver"`
	AppID            string          `json:"appid"` // version 1.0
	AuthorizedParty  string          `json:"azp"`   // version 2.0
	IDType           string          `json:"idtyp"`
	Scope            string          `json:"scp"`
	ManagedIdentity  string          `json:"xms_mirid"`
	AzureResource    string          `json:"xms_az_rid"`
	IssuedAt         *int64          `json:"iat"`
	NotBefore        *int64          `json:"nbf"`
	ExpiresAt        *int64          `json:"exp"`
	audience         string          // aud, which is exactly one
	tenant, objectID string          // tid and oid in canonical form
	machine          named
}

// Versions of tokens. They differ in their issuers and in some claims' names.
const (
	v1 = "1.0"
	v2 = "2.0"
)

// parseToken reads claims that nobody has vouched for yet, and checks their
// form. Claims that it doesn't know are let through: Entra ID has many, and adds
// some.
func parseToken(data []byte) (token, error) {
	var t token
	options := strictjson.Options{MaxDepth: maxClaimsDepth, AllowUnknownFields: true}
	if err := strictjson.Unmarshal(data, &t, options); err != nil {
		return token{}, fmt.Errorf("claims: %w", err)
	}
	if err := t.check(); err != nil {
		return token{}, fmt.Errorf("claims: %w", err)
	}
	return t, nil
}

// check validates the fields, but for the times, and fills in what it derives.
func (t *token) check() error {
	if err := t.checkTexts(); err != nil {
		return err
	}
	if t.Version != v1 && t.Version != v2 {
		return fmt.Errorf("ver %.32q is neither %s nor %s", t.Version, v1, v2)
	}
	var err error
	if t.tenant, err = parseGUID(t.TenantID); err != nil {
		return fmt.Errorf("tid %w", err)
	}
	if t.ObjectID != "" {
		if t.objectID, err = parseGUID(t.ObjectID); err != nil {
			return fmt.Errorf("oid %w", err)
		}
	}
	if err := checkSegment(t.Subject); err != nil {
		return fmt.Errorf("sub %w", err)
	}
	if t.AppID != "" && t.AuthorizedParty != "" && t.AppID != t.AuthorizedParty {
		return errors.New("appid and azp differ")
	}
	if n := len(strings.Fields(t.Scope)); n > maxScopes {
		return fmt.Errorf("scp has %d scopes, more than %d", n, maxScopes)
	}
	if t.audience, err = parseAudience(t.Audience); err != nil {
		return err
	}
	t.machine, err = machineOf(t.ManagedIdentity, t.AzureResource)
	return err
}

// parseAudience takes exactly one audience, as a string: Entra ID never writes a
// list, and a token for several is not only for us.
func parseAudience(raw json.RawMessage) (string, error) {
	if raw == nil {
		return "", errors.New("aud is missing")
	}
	var audience string
	if err := json.Unmarshal(raw, &audience); err != nil || raw[0] != '"' {
		return "", errors.New("aud is not one string")
	}
	if audience == "" {
		return "", errors.New("aud is empty")
	}
	return audience, checkText("aud", audience)
}

// checkTexts bounds all strings and keeps control characters out of them.
func (t *token) checkTexts() error {
	for _, claim := range []struct{ name, value string }{
		{"iss", t.Issuer}, {"sub", t.Subject}, {"tid", t.TenantID}, {"oid", t.ObjectID}, {"ver", t.Version},
		{"appid", t.AppID}, {"azp", t.AuthorizedParty}, {"idtyp", t.IDType}, {"scp", t.Scope},
		{"xms_mirid", t.ManagedIdentity}, {"xms_az_rid", t.AzureResource},
	} {
		if err := checkText(claim.name, claim.value); err != nil {
			return err
		}
	}
	return nil
}

func checkText(name, value string) error {
	if len(value) > maxText {
		return fmt.Errorf("%s has %d bytes, more than %d", name, len(value), maxText)
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return fmt.Errorf("%s has a control character", name)
	}
	return nil
}

// checkSegment asks for what a SPIFFE ID allows as one segment of its path, which
// the subject becomes: section 2.2 of the SPIFFE ID standard. Nothing is escaped
// or folded, as two subjects must not become one path.
func checkSegment(s string) error {
	switch {
	case s == "":
		return errors.New("is missing")
	case len(s) > maxSubject:
		return fmt.Errorf("has %d bytes, more than %d", len(s), maxSubject)
	case s == "." || s == "..":
		return fmt.Errorf("%q can't be a segment of a SPIFFE ID", s)
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return fmt.Errorf("%q can't be a segment of a SPIFFE ID", s)
		}
	}
	return nil
}
