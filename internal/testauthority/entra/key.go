package entra

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for the algorithms with longer digests
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
)

// Key is a signing key.
type Key struct {
	ID      string
	Private crypto.Signer

	// Issuer is the template of the issuers whose tokens the key signs, published
	// in the set for version 2.0 only.
	Issuer string

	// Fields are published in place of what the key would say of itself. A nil
	// value takes a field away.
	Fields map[string]any
}

// IssuerV2 is what Microsoft scopes the keys of organizations to.
const IssuerV2 = "https://login.microsoftonline.com/{tenantid}/v2.0"

// NewKey makes an RSA key of 2,048 bits.
func NewKey(id string) Key { return NewRSAKey(id, 2048) }

// NewRSAKey makes an RSA key.
func NewRSAKey(id string, bits int) Key {
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(fmt.Sprintf("entra: %v", err))
	}
	return Key{ID: id, Private: private, Issuer: IssuerV2}
}

// NewECKey makes a key on a curve.
func NewECKey(id string, curve elliptic.Curve) Key {
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("entra: %v", err))
	}
	return Key{ID: id, Private: private, Issuer: IssuerV2}
}

// With returns the key with another value for a published field.
func (k Key) With(field string, value any) Key {
	fields := maps.Clone(k.Fields)
	if fields == nil {
		fields = map[string]any{}
	}
	fields[field] = value
	k.Fields = fields
	return k
}

// jwk is the key as a set has it.
func (k Key) jwk(issuers bool) map[string]any {
	published := map[string]any{"use": "sig", "kid": k.ID, "x5t": k.ID}
	if issuers && k.Issuer != "" {
		published["issuer"] = k.Issuer
		published["cloud_instance_name"] = "microsoftonline.com"
	}
	switch public := k.Private.Public().(type) {
	case *rsa.PublicKey:
		published["kty"] = "RSA"
		published["n"] = encode(public.N.Bytes())
		published["e"] = encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y (SEC 1, section 2.3.3)
		if err != nil {
			panic(fmt.Sprintf("entra: %v", err))
		}
		size := len(point) / 2
		published["kty"] = "EC"
		published["crv"] = public.Params().Name
		published["x"] = encode(point[1 : 1+size])
		published["y"] = encode(point[1+size:])
	}
	for field, value := range k.Fields {
		if value == nil {
			delete(published, field)
			continue
		}
		published[field] = value
	}
	return published
}

// sign signs with an algorithm of RFC 7518, section 3.1.
func (k Key) sign(alg string, input []byte) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	digest := hash.New()
	digest.Write(input)
	sum := digest.Sum(nil)
	var options crypto.SignerOpts = hash
	if alg[:2] == "PS" {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	if private, ok := k.Private.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, private, sum)
		if err != nil {
			panic(fmt.Sprintf("entra: %v", err))
		}
		size := (private.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	signature, err := k.Private.Sign(rand.Reader, sum, options)
	if err != nil {
		panic(fmt.Sprintf("entra: %v", err))
	}
	return signature
}

// HMAC is the signature of HS256, for those who would have a public key taken for
// a shared secret.
func HMAC(secret, input []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(input)
	return mac.Sum(nil)
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
