package entra_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestSignatureIsReal follows the authority's documents to its keys, and checks a
// token with nothing but the standard library.
func TestSignatureIsReal(t *testing.T) {
	key := entra.NewKey("a")
	authority := entra.New(key)
	server := authority.Serve()
	defer server.Close()

	var discovery struct {
		JWKSURI string `json:"jwks_uri"`
	}
	get(t, server.Client(), server.URL+entra.DiscoveryV2, &discovery)
	var set struct {
		Keys []struct{ Kid, Kty, Use, N, E, Issuer string }
	}
	get(t, server.Client(), discovery.JWKSURI, &set)
	if len(set.Keys) != 1 || set.Keys[0].Kid != "a" || set.Keys[0].Issuer != entra.IssuerV2 {
		t.Fatalf("keys %+v", set)
	}
	public := rsa.PublicKey{
		N: new(big.Int).SetBytes(decode(t, set.Keys[0].N)),
		E: int(new(big.Int).SetBytes(decode(t, set.Keys[0].E)).Int64()),
	}
	token := authority.Issue(key, entra.Machine{Tenant: entra.ConsumerTenant, Principal: "p"}, time.Now()).Sign()
	parts := strings.Split(token, ".")
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&public, crypto.SHA256, digest[:], decode(t, parts[2])); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, client *http.Client, url string, into any) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
