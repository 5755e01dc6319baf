package attestor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// Attacks with tokens, as in attacks_awsiid_test.go. But for a few they are signed
// with the authority's own key.

// refuses presents a token, and checks the refusal.
func (s *azureScene) refuses(t *testing.T, token string, want refused) {
	t.Helper()
	s.refusesPayload(t, azurePayload(t, token), want)
}

func (s *azureScene) refusesPayload(t *testing.T, payload []byte, want refused) {
	t.Helper()
	before := s.manager.asked()
	err := s.plugin.refuses(t, payload, want)
	if calls := s.manager.asked() - before; calls != want.calls {
		t.Errorf("it cost %d calls of Resource Manager, want %d (%v)", calls, want.calls, err)
	}
}

// attackAzure makes a scene that is configured.
func attackAzure(t *testing.T) *azureScene {
	t.Helper()
	s := newAzureScene(t)
	s.configure(t, azureConfig)
	return s
}

func TestAttackAlgorithmConfusion(t *testing.T) {
	s := attackAzure(t)
	mine := entra.NewKey("mine")
	public, err := x509.MarshalPKIXPublicKey(azureKey().Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	for name, tc := range map[string]struct {
		token string
		want  string
	}{
		"none":                   {s.vm().WithHeader("alg", "none").SignWith(func([]byte) []byte { return nil }), "verify: token's signature is empty"},
		"none, with a signature": {s.vm().WithHeader("alg", "none").SignWith(func([]byte) []byte { return []byte("x") }), `verify: header: alg`},
		"HS256 with the public key as the secret": {s.vm().WithHeader("alg", "HS256").SignWith(func(input []byte) []byte {
			return entra.HMAC(secret, input)
		}), `verify: header: alg`},
		"ES256 by the name of an RSA key": {s.vm().WithHeader("alg", "ES256").Sign(), `verify: header: alg`},
		"RS512, which is not listed":      {s.vm().WithHeader("alg", "RS512").Sign(), `verify: header: alg`},
		"a key by its URL":                {withKey(s.vm(), mine).WithHeader("jku", "https://evil.example/keys").Sign(), `verify: header: jku is not allowed`},
		"a key in the header":             {withKey(s.vm(), mine).WithHeader("jwk", map[string]any{"kty": "RSA"}).Sign(), `verify: header: jwk is not allowed`},
		"a certificate by its URL":        {withKey(s.vm(), mine).WithHeader("x5u", "https://evil.example/cert").Sign(), `verify: header: x5u is not allowed`},
		"a certificate in the header":     {withKey(s.vm(), mine).WithHeader("x5c", []string{"MIIB"}).Sign(), `verify: key "mine" is none of the 1 keys`},
		"a critical extension":            {s.vm().WithHeader("crit", []string{"b64"}).WithHeader("b64", false).Sign(), `verify: header: crit is not allowed`},
		"another's signature":             {withKey(s.vm(), mine).WithHeader("kid", "key-a").Sign(), `verify: key "key-a": the signature is not its`},
	} {
		t.Run(name, func(t *testing.T) { s.refuses(t, tc.token, badEvidenceFor(tc.want)) })
	}
}

func withKey(token entra.Token, key entra.Key) entra.Token {
	token.Key = key
	return token.WithHeader("kid", key.ID)
}

// TestAttackKeyFlood: tokens with unknown keys make nobody fetch keys more often
// than once in a while, and an honest node gets in meanwhile.
func TestAttackKeyFlood(t *testing.T) {
	s := attackAzure(t)
	if id, _ := s.admits(t, azurePayload(t, s.vm().Sign())); id != azureAgentID {
		t.Fatalf("got %s", id)
	}
	const tokens = 1000
	mine := entra.NewKey("unknown")
	token := withKey(s.vm(), mine)
	answers := make(chan error, tokens)
	ctx, hangUp := context.WithTimeout(t.Context(), 3*time.Second)
	defer hangUp()
	began := time.Now()
	before := s.authority.Requests(entra.KeysV1)
	for n := range tokens {
		payload := azurePayload(t, token.WithHeader("kid", fmt.Sprintf("unknown-%d", n)).Sign())
		go func() {
			_, err := s.attestFor(ctx, payload)
			answers <- err
		}()
	}
	other := s.vm(func(m *entra.Machine) { m.Principal, m.ManagedIdentity = azureApp, azureScaleSet })
	s.admits(t, azurePayload(t, other.Sign()))
	for range tokens {
		if err := <-answers; status.Code(err) == codes.OK || status.Code(err) == codes.Internal {
			t.Errorf("got %v", err)
		}
	}
	// Once in five seconds, and more often only when the authority takes its time.
	if fetched, most := s.authority.Requests(entra.KeysV1)-before, 1+int(time.Since(began)/(4*time.Second)); fetched > most {
		t.Errorf("the keys were fetched %d times, want %d at most", fetched, most)
	}
}

func TestAttackIssuerConfusion(t *testing.T) {
	s := newAzureScene(t)
	s.configure(t, `tenants { "`+azureTenant+`" {} "`+entra.ConsumerTenant+`" {} }`)
	consumer := entra.NewKey("consumer")
	consumer.Issuer = "https://login.microsoftonline.com/" + entra.ConsumerTenant + "/v2.0"
	s.authority.Publish(azureKey(), consumer)
	v2 := func(m *entra.Machine) { m.Version = "2.0" }
	for name, tc := range map[string]struct {
		token entra.Token
		want  string
	}{
		"another tenant's issuer":          {s.vm().With("iss", s.authority.Issuer("1.0", otherAzureTenant)), "verify: claims: iss "},
		"another tenant with our issuer":   {s.vm().With("tid", otherAzureTenant), "verify: claims: iss "},
		"a tenant that is no GUID":         {s.vm().With("tid", "common").With("iss", s.authority.Issuer("1.0", "common")), `verify: claims: tid "common" is not a GUID`},
		"version 1.0 with 2.0's issuer":    {s.vm().With("iss", s.authority.Issuer("2.0", azureTenant)), "verify: claims: iss "},
		"version 2.0 with 1.0's issuer":    {s.vm(v2).With("iss", s.authority.Issuer("1.0", azureTenant)), "verify: claims: iss "},
		"an issuer with a slash less":      {s.vm().With("iss", strings.TrimSuffix(s.authority.Issuer("1.0", azureTenant), "/")), "verify: claims: iss "},
		"no issuer":                        {s.vm().Without("iss"), "verify: claims: iss "},
		"a consumer's key for our tenant":  {withKey(s.vm(v2), consumer), `verify: key "consumer": it is for tokens of the issuer `},
		"a consumer's key for its version": {withKey(s.vm(v2), consumer).With("tid", azureTenant).With("iss", consumer.Issuer), "verify: claims: iss "},
	} {
		t.Run(name, func(t *testing.T) { s.refuses(t, tc.token.Sign(), badEvidenceFor(tc.want)) })
	}
}

func TestAttackAudienceConfusion(t *testing.T) {
	s := attackAzure(t)
	for name, audience := range map[string]string{
		"Graph": "https://graph.microsoft.com/", "no slash": "https://management.azure.com", "two slashes": "https://management.azure.com//",
		"capitals": "https://Management.azure.com/", "the classic one": "https://management.core.windows.net/", "a look-alike": "https://management.azure.com.evil.example/",
	} {
		t.Run(name, func(t *testing.T) { s.refuses(t, s.vm().With("aud", audience).Sign(), deniedBy("resource_id", 0)) })
	}
	for name, audience := range map[string]any{
		"several": []string{entra.ResourceManager, "https://graph.microsoft.com/"}, "one in a list": []string{entra.ResourceManager}, "none": nil, "empty": "", "a number": 1,
	} {
		t.Run(name, func(t *testing.T) {
			s.refuses(t, s.vm().With("aud", audience).Sign(), badEvidenceFor("verify: claims: aud is "))
		})
	}
}

func TestAttackTokenKind(t *testing.T) {
	s := attackAzure(t)
	container := strings.ReplaceAll(azureVM, "Microsoft.Compute/virtualMachines", "Microsoft.ContainerInstance/containerGroups")
	shared := "/subscriptions/" + azureSub + "/resourcegroups/Shared/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web"
	for name, token := range map[string]entra.Token{
		"a user":                     s.vm().With("idtyp", "user"),
		"a user with scopes":         s.vm().With("scp", "user_impersonation"),
		"an app registration":        s.vm().Without("xms_mirid"),
		"a container":                s.vm(func(m *entra.Machine) { m.ManagedIdentity = container }),
		"an identity of no machine":  s.vm(func(m *entra.Machine) { m.ManagedIdentity = shared }),
		"an identity of a container": s.vm(func(m *entra.Machine) { m.ManagedIdentity, m.AzureResource = shared, container }),
	} {
		t.Run(name, func(t *testing.T) { s.refuses(t, token.Sign(), deniedBy("token_kind", 0)) })
	}
}

func TestAttackTokenTimes(t *testing.T) {
	s := attackAzure(t)
	now := time.Now()
	for _, claim := range []string{"exp", "nbf", "iat"} {
		for name, tc := range map[string]struct {
			token entra.Token
			want  string
		}{
			"missing":  {s.vm().Without(claim), claim + " is missing"},
			"null":     {s.vm().With(claim, nil), claim + " is missing"},
			"a text":   {s.vm().With(claim, "1700000000"), "json: cannot unmarshal string"},
			"overflow": {s.vm().With(claim, 1e300), "json: cannot unmarshal number 1e+300"},
			"negative": {s.vm().With(claim, -1), claim + " -1 is not a time of our age"},
		} {
			t.Run(claim+" "+name, func(t *testing.T) { s.refuses(t, tc.token.Sign(), badEvidenceFor("verify: claims: "+tc.want)) })
		}
	}
	for name, tc := range map[string]struct {
		token entra.Token
		want  string
	}{
		"expired":         {s.vm().With("nbf", now.Add(-time.Hour).Unix()).With("iat", now.Add(-time.Hour).Unix()).With("exp", now.Add(-6*time.Minute).Unix()), "expired at "},
		"not valid yet":   {s.vm().With("nbf", now.Add(6*time.Minute).Unix()), "not valid before "},
		"not issued yet":  {s.vm().With("iat", now.Add(6*time.Minute).Unix()), "issued at "},
		"lives for years": {s.vm().With("exp", now.AddDate(10, 0, 0).Unix()), "a life of "},
	} {
		t.Run(name, func(t *testing.T) { s.refuses(t, tc.token.Sign(), badEvidenceFor("verify: claims: "+tc.want)) })
	}
}

// TestAttackOtherResource: a token that names a machine whose it is not.
func TestAttackOtherResource(t *testing.T) {
	const other = "/subscriptions/" + azureSub + "/resourceGroups/Web-RG/providers/Microsoft.Compute/virtualMachines/Other"
	s := attackAzure(t)
	s.manager.answers["GET "+strings.ToLower(other)] = map[string]any{
		"id": other, "name": "Other", "location": "westeurope", "identity": map[string]any{"type": "SystemAssigned", "principalId": azureApp},
		"properties": map[string]any{},
	}
	s.refuses(t, s.vm(func(m *entra.Machine) { m.ManagedIdentity = other }).Sign(), deniedBy("virtual_machine", 1))
	s.refuses(t, s.vm(func(m *entra.Machine) { m.AzureResource = other }).Sign(), badEvidenceFor("verify: claims: xms_mirid and xms_az_rid name different resources: "))
	for name, id := range map[string]string{
		"a quote":         azureVM + "'",
		"a query":         azureVM + "' or 1 == 1 //",
		"up":              azureVM + "/../Other",
		"an encoded path": strings.ReplaceAll(azureVM, "Web-1", "Web%2f1"),
		"a line end":      azureVM + "\n",
		"a host":          "//evil.example" + azureVM,
	} {
		t.Run(name, func(t *testing.T) {
			s.refuses(t, s.vm(func(m *entra.Machine) { m.ManagedIdentity = id }).Sign(), badEvidenceFor("verify: claims: xms_mirid"))
		})
	}
	t.Run("the same in another case", func(t *testing.T) {
		s.admits(t, azurePayload(t, s.vm(func(m *entra.Machine) { m.ManagedIdentity = strings.ToUpper(azureVM[:15]) + azureVM[15:] }).Sign()))
	})
}

func TestAttackAzureReplay(t *testing.T) {
	s := attackAzure(t)
	token := s.vm().Sign()
	s.admits(t, azurePayload(t, token))
	s.refuses(t, token, refused{codes.Unavailable, "denied_for_now", "tofu: ", 0})
	s.store.add(azureAgentID)
	s.refuses(t, token, deniedBy("tofu", 0))
	s.refuses(t, s.vm().With("uti", "another").Sign(), deniedBy("tofu", 0))
}

func TestAttackAzurePathInjection(t *testing.T) {
	s := attackAzure(t)
	for _, subject := range []string{"a/b", "..", ".", "%2e%2e", "", "a b", "a\nb", "a?b", strings.Repeat("x", 129)} {
		s.refuses(t, s.vm().Without("oid").With("sub", subject).Sign(), badEvidenceFor("verify: claims: sub"))
	}
}

func TestAttackAzureSecondReading(t *testing.T) {
	s := attackAzure(t)
	good := s.vm().Sign()
	other := s.vm(func(m *entra.Machine) { m.Principal = azureApp }).Sign()
	for name, payload := range map[string]string{
		"a key twice":           fmt.Sprintf(`{"token":%q,"token":%q}`, other, good),
		"a key in another case": fmt.Sprintf(`{"Token":%q,"token":%q}`, other, good),
		"an unknown key":        fmt.Sprintf(`{"token":%q,"tenant":"x"}`, good),
		"more after it":         fmt.Sprintf(`{"token":%q}{}`, good),
		"a list":                fmt.Sprintf(`[{"token":%q}]`, good),
		"null":                  `{"token":null}`,
	} {
		t.Run(name, func(t *testing.T) { s.refusesPayload(t, []byte(payload), badEvidenceFor("verify: payload: ")) })
	}
	t.Run("signed, a claim twice", func(t *testing.T) {
		header := []byte(`{"typ":"JWT","alg":"RS256","kid":"key-a"}`)
		claims := fmt.Sprintf(`{"tid":%q,"tid":%q}`, otherAzureTenant, azureTenant)
		s.refuses(t, entra.SignRaw(azureKey(), "RS256", header, []byte(claims)), badEvidenceFor(`verify: claims: key "tid" appears twice`))
	})
	t.Run("signed, a header twice", func(t *testing.T) {
		header := []byte(`{"typ":"JWT","alg":"none","alg":"RS256","kid":"key-a"}`)
		s.refuses(t, entra.SignRaw(azureKey(), "RS256", header, []byte(`{}`)), badEvidenceFor(`verify: header: key "alg" appears twice`))
	})
}

func TestAttackAzureExhaustion(t *testing.T) {
	s := attackAzure(t)
	long := s.vm().With("padding", strings.Repeat("x", 16<<10)).Sign()
	nested := []byte(strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000))
	for name, tc := range map[string]struct{ token, want string }{
		"a token of 16 KiB":      {long, "payload: token of "},
		"claims, nested":         {entra.SignRaw(azureKey(), "RS256", []byte(`{"typ":"JWT","alg":"RS256","kid":"key-a"}`), nested), "claims: nested deeper than 8 levels"},
		"a header, nested":       {entra.SignRaw(azureKey(), "RS256", []byte(`{"a":{"a":{"a":{"a":1}}}}`), []byte(`{}`)), "header: nested deeper than 3 levels"},
		"a header of kilobytes":  {s.vm().WithHeader("padding", strings.Repeat("x", 1<<10)).Sign(), "token's header of "},
		"thousands of its parts": {strings.Repeat("a.", 4000), "token has 4001 parts"},
	} {
		t.Run(name, func(t *testing.T) { s.refuses(t, tc.token, badEvidenceFor("verify: "+tc.want)) })
	}
	t.Run("a payload of a megabyte", func(t *testing.T) {
		payload := append(azurePayload(t, s.vm().Sign()), []byte(strings.Repeat(" ", 1<<20))...)
		s.refusesPayload(t, payload, badEvidenceFor("verify: payload of "))
	})
}

// TestAttackKeyServer: keys come from the authority's own host, and no redirect
// is followed to another.
func TestAttackKeyServer(t *testing.T) {
	for name, document := range map[string]string{
		"keys elsewhere":       `{"issuer":"https://sts.windows.net/{tenantid}/","jwks_uri":"https://evil.example/keys"}`,
		"keys without TLS":     `{"issuer":"https://sts.windows.net/{tenantid}/","jwks_uri":"http://login.microsoftonline.com/common/discovery/keys"}`,
		"keys with a user":     `{"issuer":"https://sts.windows.net/{tenantid}/","jwks_uri":"https://login.microsoftonline.com@evil.example/keys"}`,
		"another's issuer":     `{"issuer":"https://evil.example/{tenantid}/","jwks_uri":"https://login.microsoftonline.com/common/discovery/keys"}`,
		"an issuer for all":    `{"issuer":"https://sts.windows.net/","jwks_uri":"https://login.microsoftonline.com/common/discovery/keys"}`,
		"a redirect":           "",
		"more than a mebibyte": `{"issuer":"` + strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			s := attackAzure(t)
			s.authority.Answer(entra.DiscoveryV1, func(w http.ResponseWriter, r *http.Request) {
				if document == "" {
					http.Redirect(w, r, "https://evil.example/", http.StatusFound)
					return
				}
				_, _ = w.Write([]byte(document))
			})
			s.refuses(t, s.vm().Sign(), refused{codes.Unavailable, "unavailable", "verify: keys: unavailable: https://login.microsoftonline.com/common/.well-known/openid-configuration: ", 0})
		})
	}
}

// TestAttackAzureMissingFacts: as TestAttackMissingFacts.
func TestAttackAzureMissingFacts(t *testing.T) {
	for name, tc := range map[string]struct {
		scene func(*azureScene)
		want  refused
	}{
		"the machine is gone":        {func(s *azureScene) { delete(s.manager.answers, "GET "+strings.ToLower(azureVM)) }, deniedBy("virtual_machine", 1)},
		"its interface is gone":      {func(s *azureScene) { delete(s.manager.answers, "GET "+strings.ToLower(azureNIC)) }, refused{codes.Unavailable, "unavailable", "gather: fact network: ", 2}},
		"Resource Manager refuses":   {func(s *azureScene) { s.manager.status = http.StatusForbidden }, refused{codes.Unavailable, "unavailable", "gather: fact network: ", 1}},
		"a machine of no properties": {func(s *azureScene) { s.manager.answers["GET "+strings.ToLower(azureVM)] = map[string]any{} }, deniedBy("virtual_machine", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			s := attackAzure(t)
			tc.scene(s)
			s.refuses(t, s.vm().Sign(), tc.want)
		})
	}
}

// TestAttackAzureFirstUseRace: as TestAttackFirstUseRace.
func TestAttackAzureFirstUseRace(t *testing.T) {
	s := attackAzure(t)
	payload := azurePayload(t, s.vm().Sign())
	const holders = 50
	answers := make(chan codes.Code, holders)
	for range holders {
		go func() {
			_, err := s.attest(t, payload)
			answers <- status.Code(err)
		}()
	}
	var got []codes.Code
	for range holders {
		got = append(got, <-answers)
	}
	slices.Sort(got)
	want := slices.Concat([]codes.Code{codes.OK}, slices.Repeat([]codes.Code{codes.Unavailable}, holders-1))
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
