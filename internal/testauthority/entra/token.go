package entra

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// Claims are a token's claims. A nil value is written as null; delete takes a
// claim away.
type Claims map[string]any

// Token describes one token.
type Token struct {
	Key    Key
	Header map[string]any
	Claims Claims
}

// Machine says what a managed identity's token is issued for.
type Machine struct {
	Tenant    string
	Principal string // the object ID of its identity

	// ManagedIdentity and AzureResource become xms_mirid and xms_az_rid, which are
	// not there if empty.
	ManagedIdentity string
	AzureResource   string

	Audience string // Azure Resource Manager if empty
	Version  string // "1.0" if empty
}

// ResourceManager is the audience of the tokens that stock agents ask for.
const ResourceManager = "https://management.azure.com/"

// Issue describes the token that the instance metadata service would give to a
// machine at a time, for a day.
func (a *Authority) Issue(key Key, m Machine, now time.Time) Token {
	if m.Version == "" {
		m.Version = "1.0"
	}
	if m.Audience == "" {
		m.Audience = ResourceManager
	}
	claims := Claims{
		"aud": m.Audience, "iss": a.Issuer(m.Version, m.Tenant), "tid": m.Tenant,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(24*time.Hour + 5*time.Minute).Unix(),
		"oid": m.Principal, "sub": m.Principal, "idtyp": "app", "ver": m.Version,
		"aio": "k2RgYJA3", "rh": "0.AXQA", "uti": "W5vGgQmXpkO",
	}
	if m.Version == "1.0" {
		claims["appid"], claims["appidacr"] = "6f3c1d5e-0d8e-4f53-9a53-4f5dd8f4d0a1", "2"
		claims["idp"] = claims["iss"]
	} else {
		claims["azp"], claims["azpacr"] = "6f3c1d5e-0d8e-4f53-9a53-4f5dd8f4d0a1", "2"
	}
	if m.ManagedIdentity != "" {
		claims["xms_mirid"] = m.ManagedIdentity
	}
	if m.AzureResource != "" {
		claims["xms_az_rid"] = m.AzureResource
	}
	return Token{
		Key:    key,
		Header: map[string]any{"typ": "JWT", "alg": "RS256", "kid": key.ID, "x5t": key.ID},
		Claims: claims,
	}
}

// With returns the token with another claim.
func (t Token) With(claim string, value any) Token {
	t.Claims = maps.Clone(t.Claims)
	t.Claims[claim] = value
	return t
}

// Without returns the token without a claim.
func (t Token) Without(claim string) Token {
	t.Claims = maps.Clone(t.Claims)
	delete(t.Claims, claim)
	return t
}

// WithHeader returns the token with another header field.
func (t Token) WithHeader(field string, value any) Token {
	t.Header = maps.Clone(t.Header)
	t.Header[field] = value
	return t
}

// WithoutHeader returns the token without a header field.
func (t Token) WithoutHeader(field string) Token {
	t.Header = maps.Clone(t.Header)
	delete(t.Header, field)
	return t
}

// Sign returns the token in compact serialization, signed with its key by the
// algorithm that its header names.
func (t Token) Sign() string {
	return SignRaw(t.Key, t.Header["alg"].(string), marshal(t.Header), marshal(t.Claims))
}

// SignRaw signs any bytes as a token.
func SignRaw(key Key, alg string, header, claims []byte) string {
	input := encode(header) + "." + encode(claims)
	return input + "." + encode(key.sign(alg, []byte(input)))
}

// SignWith lets sign make the signature over the token's first two parts.
func (t Token) SignWith(sign func(input []byte) []byte) string {
	input := encode(marshal(t.Header)) + "." + encode(marshal(t.Claims))
	return input + "." + encode(sign([]byte(input)))
}

func marshal(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("entra: %v", err))
	}
	return data
}
