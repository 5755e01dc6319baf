package azuremsi_test

import (
	"crypto/elliptic"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestPublishedKeys has tokens signed by key-a, and what the authority publishes.
func TestPublishedKeys(t *testing.T) {
	a, b := keys().a, keys().b
	b.ID = a.ID
	consumer := a
	consumer.Issuer = "https://login.microsoftonline.com/" + entra.ConsumerTenant + "/v2.0"
	consumerB := b
	consumerB.Issuer = consumer.Issuer
	unscoped := a
	unscoped.Issuer = ""
	gov := a
	gov.Issuer = "https://login.microsoftonline.us/{tenantid}/v2.0"
	weak := entra.NewRSAKey("weak", 1024)
	curve := entra.NewECKey("p256", elliptic.P256())
	const v1Keys = "https://login.microsoftonline.com/common/discovery/keys"
	for name, test := range map[string]struct {
		published []entra.Key
		signer    entra.Key
		version   string
		want      string
	}{
		"the only one":                 {[]entra.Key{a}, a, "1.0", ""},
		"second of one ID":             {[]entra.Key{b, a}, a, "1.0", ""},
		"first of one ID":              {[]entra.Key{a, b}, a, "1.0", ""},
		"beside others":                {[]entra.Key{weak, curve, keys().b, a}, a, "1.0", ""},
		"neither of one ID":            {[]entra.Key{b, b}, a, "1.0", "key \"key-a\": the signature is not its\nthe signature is not its"},
		"without use":                  {[]entra.Key{a.With("use", nil)}, a, "1.0", ""},
		"for encryption":               {[]entra.Key{a.With("use", "enc"), keys().b}, a, "1.0", `key "key-a" of ` + v1Keys + ` can't be used: its use is "enc", not sig`},
		"to sign only":                 {[]entra.Key{a.With("key_ops", []string{"sign"}), keys().b}, a, "1.0", `key "key-a" of ` + v1Keys + ` can't be used: its key_ops ["sign"] lack verify`},
		"for another algorithm":        {[]entra.Key{a.With("alg", "RS512")}, a, "1.0", `key "key-a": it is not a key for RS256`},
		"for this algorithm":           {[]entra.Key{a.With("alg", "RS256")}, a, "1.0", ""},
		"algorithm of another type":    {[]entra.Key{a.With("alg", "ES256"), keys().b}, a, "1.0", `key "key-a" of ` + v1Keys + ` can't be used: its alg "ES256" is not one of RSA`},
		"too small":                    {[]entra.Key{weak, a}, weak, "1.0", `key "weak" of ` + v1Keys + ` can't be used: jwk.ParseKey: jwk.Parse: key validation failed: key validation failed: jwk.RSAPublicKey: rsa modulus too small: got 1024 bits, need at least 2048`},
		"exponent 1":                   {[]entra.Key{a.With("e", "AQ"), keys().b}, a, "1.0", `key "key-a" of ` + v1Keys + ` can't be used: jwk.ParseKey: jwk.Parse: key validation failed: key validation failed: jwk.RSAPublicKey: invalid rsa public exponent: got 1, need at least 3`},
		"a secret":                     {[]entra.Key{a.With("kty", "oct").With("k", "c2VjcmV0"), keys().b}, a, "1.0", `key "key-a" of ` + v1Keys + ` can't be used: it is of type oct, not a public key for signatures`},
		"another type":                 {[]entra.Key{a.With("kty", "AKP"), keys().b}, a, "1.0", `key "key-a" of ` + v1Keys + ` can't be used: jwk.ParseKey: invalid key type from JSON (AKP)`},
		"of personal accounts":         {[]entra.Key{consumer}, a, "1.0", `key "key-a": it is for tokens of the issuer https://login.microsoftonline.com/` + entra.ConsumerTenant + `/v2.0 only`},
		"of personal accounts, 2.0":    {[]entra.Key{consumer}, a, "2.0", `key "key-a": it is for tokens of the issuer https://login.microsoftonline.com/` + entra.ConsumerTenant + `/v2.0 only`},
		"of another cloud":             {[]entra.Key{gov}, a, "1.0", `key "key-a": it is for tokens of the issuer https://login.microsoftonline.us/{tenantid}/v2.0 only`},
		"of another cloud, 2.0":        {[]entra.Key{gov}, a, "2.0", `key "key-a": it is for tokens of the issuer https://login.microsoftonline.us/{tenantid}/v2.0 only`},
		"scoped in the set for 1.0":    {[]entra.Key{a.With("issuer", "https://sts.windows.net/{tenantid}/")}, a, "1.0", ""},
		"misscoped in the set for 1.0": {[]entra.Key{a.With("issuer", "https://sts.windows.net/"+otherTenant+"/")}, a, "1.0", `key "key-a": it is for tokens of the issuer https://sts.windows.net/` + otherTenant + `/ only`},
		"scoped for all":               {[]entra.Key{unscoped}, a, "1.0", ""},
		"scoped for all, 2.0":          {[]entra.Key{unscoped}, a, "2.0", ""},
		"both scopes":                  {[]entra.Key{consumer, a}, a, "2.0", ""},
		"of an organization, 2.0":      {[]entra.Key{a}, a, "2.0", ""},
		"of personal accounts, beside one of organizations with its ID": {[]entra.Key{b, consumer}, a, "1.0", `key "key-a": it is for tokens of the issuer https://login.microsoftonline.com/` + entra.ConsumerTenant + `/v2.0 only`},
		"of organizations, beside one of personal accounts with its ID": {[]entra.Key{consumerB, a}, a, "1.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			authority := entra.New(test.published...)
			m := vm()
			m.Version = test.version
			_, got := verify(t, newCollector(t, authority), authority.Issue(test.signer, m, now).Sign())
			if got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestConsumerTenant: a key that is scoped to a tenant is good for that tenant.
func TestConsumerTenant(t *testing.T) {
	key := keys().a
	key.Issuer = "https://login.microsoftonline.com/" + entra.ConsumerTenant + "/v2.0"
	authority := entra.New(key)
	m := entra.Machine{Tenant: entra.ConsumerTenant, Principal: principalID, Version: "2.0"}
	ev, problem := verify(t, newCollector(t, authority), authority.Issue(key, m, now).Sign())
	if problem != "" {
		t.Fatal(problem)
	}
	if got := ev.Claims().(azuremsi.Claims).KeyIssuer; got != key.Issuer {
		t.Errorf("key issuer %q", got)
	}
}

// TestAuthorityAnswers has answers that an authority should not give.
func TestAuthorityAnswers(t *testing.T) {
	const discovery = "https://login.microsoftonline.com" + entra.DiscoveryV1
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	document := func(issuer, jwks string) http.HandlerFunc {
		return text(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, jwks))
	}
	const issuer = "https://sts.windows.net/{tenantid}/"
	for name, test := range map[string]struct {
		path   string
		answer http.HandlerFunc
		want   string
	}{
		"redirect":           {entra.DiscoveryV1, http.RedirectHandler("https://evil.example/", http.StatusFound).ServeHTTP, discovery + ": answered 302 Found"},
		"redirect to itself": {entra.KeysV1, http.RedirectHandler(entra.KeysV2, http.StatusFound).ServeHTTP, "https://login.microsoftonline.com" + entra.KeysV1 + ": answered 302 Found"},
		"not JSON":           {entra.DiscoveryV1, text("<html>"), discovery + ": invalid character '<' looking for beginning of value"},
		"two issuers":        {entra.DiscoveryV1, text(`{"issuer":"a","issuer":"b"}`), discovery + `: key "issuer" appears twice`},
		"endless":            {entra.DiscoveryV1, text(strings.Repeat(" ", 1<<20+1)), discovery + ": answered more than 1048576 bytes"},
		"another issuer":     {entra.DiscoveryV1, document("https://evil.example/{tenantid}/", "https://login.microsoftonline.com/k"), discovery + `: issuer "https://evil.example/{tenantid}/" is not "https://sts.windows.net/{tenantid}/", that of cloud public`},
		"another host":       {entra.DiscoveryV1, document(issuer, "https://evil.example/keys"), discovery + `: jwks_uri "https://evil.example/keys": not of https://login.microsoftonline.com`},
		"look-alike host":    {entra.DiscoveryV1, document(issuer, "https://login.microsoftonline.com.evil.example/keys"), discovery + `: jwks_uri "https://login.microsoftonline.com.evil.example/keys": not of https://login.microsoftonline.com`},
		"host as user":       {entra.DiscoveryV1, document(issuer, "https://login.microsoftonline.com@evil.example/keys"), discovery + `: jwks_uri "https://login.microsoftonline.com@evil.example/keys": not of https://login.microsoftonline.com`},
		"plain HTTP":         {entra.DiscoveryV1, document(issuer, "http://login.microsoftonline.com/keys"), discovery + `: jwks_uri "http://login.microsoftonline.com/keys": not of https://login.microsoftonline.com`},
		"no keys":            {entra.KeysV1, text(`{"keys":[]}`), "https://login.microsoftonline.com" + entra.KeysV1 + ": none of 0 keys can be used"},
		"no key that works":  {entra.KeysV1, text(`{"keys":[{"kid":"a","kty":"RSA"},{"kty":"RSA"}]}`), "https://login.microsoftonline.com" + entra.KeysV1 + ": none of 2 keys can be used"},
		"many keys":          {entra.KeysV1, text(`{"keys":[` + strings.Repeat(`{},`, 256) + `{}]}`), "https://login.microsoftonline.com" + entra.KeysV1 + ": 257 keys, more than 256"},
		"a key twice over":   {entra.KeysV1, text(`{"keys":[{"kid":"a","kid":"b"}]}`), "https://login.microsoftonline.com" + entra.KeysV1 + `: key "kid" appears twice`},
	} {
		t.Run(name, func(t *testing.T) {
			authority := entra.New(keys().a)
			authority.Answer(test.path, test.answer)
			_, err := newCollector(t, authority).Verify(t.Context(), payload(t, authority.Issue(keys().a, vm(), now).Sign()))
			if !errors.Is(err, evidence.ErrUnavailable) || err.Error() != "keys: unavailable: "+test.want {
				t.Errorf("\n got %v\nwant keys: unavailable: %s", err, test.want)
			}
		})
	}
}

// TestServed goes through a real server with TLS, and a private authority.
func TestServed(t *testing.T) {
	authority := entra.New(keys().a)
	authority.IssuerV1 = "https://sts.private.example/{tenantid}/"
	server := authority.Serve()
	defer server.Close()
	cloud, err := azuremsi.NewCloud(azuremsi.CloudConfig{Authority: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, nil, func(o *azuremsi.Options) { o.Cloud, o.HTTPClient = cloud, server.Client() })
	if _, problem := verify(t, c, authority.Issue(keys().a, vm(), now).Sign()); problem != "" {
		t.Error(problem)
	}
	// The system does not trust the server's certificate.
	c = newCollector(t, nil, func(o *azuremsi.Options) { o.Cloud, o.HTTPClient = cloud, nil })
	_, err = c.Verify(t.Context(), payload(t, authority.Issue(keys().a, vm(), now).Sign()))
	if !errors.Is(err, evidence.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}
