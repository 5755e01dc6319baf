package azuremsi_test

import (
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestVerifyForgeries has tokens that no key of the authority signed.
func TestVerifyForgeries(t *testing.T) {
	ec := entra.NewECKey("key-ec", elliptic.P256())
	authority := entra.New(keys().a, ec)
	c := newCollector(t, authority, func(o *azuremsi.Options) { o.Algorithms = []string{"RS256", "ES256"} })
	good := authority.Issue(keys().a, vm(), now)
	signed := good.Sign()
	parts := strings.Split(signed, ".")
	public := x509.MarshalPKCS1PublicKey(keys().a.Private.Public().(*rsa.PublicKey))
	impostor := good
	impostor.Key = keys().b
	for name, test := range map[string]struct{ token, want string }{
		"none":                  {good.WithHeader("alg", "none").SignWith(func([]byte) []byte { return []byte{0} }), `header: alg "none" is not allowed; RS256 or ES256 is`},
		"none, unsigned":        {good.WithHeader("alg", "none").SignWith(func([]byte) []byte { return nil }), `token's signature is empty`},
		"public key as secret":  {good.WithHeader("alg", "HS256").SignWith(func(in []byte) []byte { return entra.HMAC(public, in) }), `header: alg "HS256" is not allowed; RS256 or ES256 is`},
		"ES256 with an RSA key": {good.WithHeader("alg", "ES256").SignWith(func([]byte) []byte { return make([]byte, 64) }), `key "key-a": it is not a key for ES256`},
		"RS256 with an EC key":  {good.WithHeader("kid", "key-ec").Sign(), `key "key-ec": it is not a key for RS256`},
		"another key":           {impostor.Sign(), `key "key-a": the signature is not its`},
		"claims changed":        {parts[0] + "." + strings.Split(good.With("sub", "admin").Sign(), ".")[1] + "." + parts[2], `key "key-a": the signature is not its`},
		"header changed":        {strings.Split(good.WithHeader("x", 1).Sign(), ".")[0] + "." + parts[1] + "." + parts[2], `key "key-a": the signature is not its`},
		"no signature":          {parts[0] + "." + parts[1] + ".", `token's signature is empty`},
		"two parts":             {parts[0] + "." + parts[1], `token has 2 parts, not the 3 of a compact JWS`},
		"four parts":            {signed + ".e30", `token has 4 parts, not the 3 of a compact JWS`},
		"padding":               {signed + "==", `token's signature is not base64url: illegal base64 data at input byte 342`},
		"a line end":            {signed + "\n", `token's signature has a line end`},
		"a second spelling":     {signed[:len(signed)-1] + next(signed[len(signed)-1]), `token's signature is not base64url: illegal base64 data at input byte 340`},
		"a long signature":      {parts[0] + "." + parts[1] + "." + strings.Repeat("A", 1400), `token's signature of 1050 bytes is over 1024`},
		"JSON serialization":    {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, `token has 1 parts, not the 3 of a compact JWS`},
		"header is a list":      {entra.SignRaw(keys().a, "RS256", []byte(`["RS256"]`), []byte(`{}`)), `header: not a JSON object`},
		"two algorithms":        {entra.SignRaw(keys().a, "RS256", []byte(`{"alg":"RS256","kid":"key-a","alg":"none"}`), []byte(`{}`)), `header: key "alg" appears twice`},
		"two subjects":          {entra.SignRaw(keys().a, "RS256", []byte(`{"alg":"RS256","kid":"key-a"}`), []byte(`{"sub":"a","sub":"b"}`)), `claims: key "sub" appears twice`},
		"claims are no JSON":    {entra.SignRaw(keys().a, "RS256", []byte(`{"alg":"RS256","kid":"key-a"}`), []byte(`{`)), `claims: unexpected end of JSON input`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := verify(t, c, test.token); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

// next is the following character of base64url, which differs in the last bits:
// those that the last byte does not use.
func next(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}

func TestVerifyPayload(t *testing.T) {
	authority := entra.New(keys().a)
	c := newCollector(t, authority)
	token := authority.Issue(keys().a, vm(), now).Sign()
	for name, test := range map[string]struct{ payload, want string }{
		"empty":             {``, `payload: unexpected end of JSON input`},
		"not JSON":          {token, `payload: invalid character 'e' looking for beginning of value`},
		"a string":          {`"` + token + `"`, `payload: not a JSON object`},
		"no token":          {`{}`, `payload: token is missing`},
		"null":              {`{"token":null}`, `payload: token is missing`},
		"two tokens":        {`{"token":"a","token":"` + token + `"}`, `payload: key "token" appears twice`},
		"another case":      {`{"token":"a","Token":"` + token + `"}`, `payload: keys "token" and "Token" differ in case only`},
		"in another case":   {`{"Token":"` + token + `"}`, `payload: key "Token" must be written "token"`},
		"more keys":         {`{"token":"` + token + `","document":""}`, `payload: unknown key "document"`},
		"more after it":     {`{"token":"` + token + `"}{}`, `payload: invalid character '{' after top-level value`},
		"token is an array": {`{"token":["` + token + `"]}`, `payload: nested deeper than 1 levels`},
		"invalid Unicode":   {"{\"token\":\"\xff\"}", `payload: not valid UTF-8`},
		"large token":       {`{"token":"` + strings.Repeat("a", 16385) + `"}`, `payload: token of 16385 bytes is over 16384`},
		"large payload":     {strings.Repeat(" ", 65537), `payload of 65537 bytes is over 65536`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := verifyPayload(t, c, []byte(test.payload)); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
	if n := authority.Requests(entra.DiscoveryV1); n != 0 {
		t.Errorf("the authority was asked %d times, for nothing", n)
	}
}
