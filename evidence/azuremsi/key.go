package azuremsi

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// publishedKey is one public key of an authority.
type publishedKey struct {
	public any    // *rsa.PublicKey or *ecdsa.PublicKey
	family string // what it signs: "RSA", "P-256", …
	alg    string // the one algorithm it is for; "" if any of the family
	issuer string // template of the issuers it signs for; "" if any of the set
}

// keyHead is what else than numbers a key says of itself.
type keyHead struct {
	KeyID     string   `json:"kid"`
	Use       *string  `json:"use"`
	Ops       []string `json:"key_ops"`
	Algorithm string   `json:"alg"`
	Issuer    string   `json:"issuer"`
}

// parseKey reads a key of a set that is known to be strict JSON. It returns the
// key's ID with an error too, if the key has one.
func parseKey(data []byte) (string, publishedKey, error) {
	var head keyHead
	if err := json.Unmarshal(data, &head); err != nil {
		return "", publishedKey{}, err
	}
	if head.KeyID == "" {
		return "", publishedKey{}, errors.New("kid is missing")
	}
	key, err := head.parse(data)
	return head.KeyID, key, err
}

func (head keyHead) parse(data []byte) (publishedKey, error) {
	if head.Use != nil && *head.Use != "sig" {
		return publishedKey{}, fmt.Errorf("its use is %.32q, not sig", *head.Use)
	}
	if head.Ops != nil && !slices.Contains(head.Ops, "verify") {
		return publishedKey{}, fmt.Errorf("its key_ops %.128q lack verify", head.Ops)
	}
	parsed, err := jwk.ParseKey(data)
	if err != nil {
		return publishedKey{}, err
	}
	key := publishedKey{alg: head.Algorithm, issuer: head.Issuer}
	if err := jwk.Export(parsed, &key.public); err != nil {
		return publishedKey{}, err
	}
	switch public := key.public.(type) {
	case *rsa.PublicKey:
		key.family = "RSA"
		err = checkRSA(public)
	case *ecdsa.PublicKey:
		key.family = public.Params().Name
		_, err = public.ECDH() // is its point on the curve?
	default:
		err = fmt.Errorf("it is of type %s, not a public key for signatures", parsed.KeyType())
	}
	if err != nil {
		return publishedKey{}, err
	}
	if key.alg != "" && familyOf(key.alg) != key.family {
		return publishedKey{}, fmt.Errorf("its alg %.32q is not one of %s", key.alg, key.family)
	}
	return key, nil
}

// checkRSA bounds what a verification costs. The library has refused keys that are
// too weak: fewer than 2048 bits, an even exponent, or one below 3.
func checkRSA(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits > maxRSABits {
		return fmt.Errorf("RSA of %d bits, over %d", bits, maxRSABits)
	}
	return nil
}

// familyOf says which keys an algorithm of RFC 7518, section 3.1, works with; ""
// for those we don't use.
func familyOf(alg string) string {
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return "RSA"
	case "ES256":
		return "P-256"
	case "ES384":
		return "P-384"
	case "ES512":
		return "P-521"
	}
	return ""
}

// fits says whether a token with this algorithm can be the key's.
func (k publishedKey) fits(alg string) bool {
	return familyOf(alg) == k.family && (k.alg == "" || k.alg == alg)
}

// signsFor says whether the key is one for tokens of one of these issuers.
func (k publishedKey) signsFor(issuers []string, tenant string) bool {
	return k.issuer == "" || slices.Contains(issuers, strings.ReplaceAll(k.issuer, tenantSlot, tenant))
}

// equal says whether two keys have the same numbers.
func (k publishedKey) equal(other publishedKey) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.public)
}

// verify checks a compact token's signature, and nothing else.
func (k publishedKey) verify(token, alg string) error {
	algorithm, ok := jwa.LookupSignatureAlgorithm(alg)
	if !ok {
		return fmt.Errorf("algorithm %.32q is unknown", alg)
	}
	_, err := jws.Verify([]byte(token), jws.WithKey(algorithm, k.public), jws.WithCompact())
	return err
}
