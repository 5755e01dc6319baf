package azuremsi_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

func TestVerify(t *testing.T) {
	authority := entra.New(keys().a)
	c := newCollector(t, authority)
	token := authority.Issue(keys().a, vm(), now).Sign()
	ev, problem := verify(t, c, token)
	if problem != "" {
		t.Fatal(problem)
	}
	digest := sha256.Sum256([]byte(token))
	machine := azuremsi.ResourceID{
		ID:             strings.ToLower(vmID),
		SubscriptionID: subscription,
		Provider:       "microsoft.compute",
		Type:           "virtualmachines",
		ResourceGroup:  "Web-RG",
		Name:           "Web-1",
	}
	want := azuremsi.Claims{
		TenantID:     tenantID,
		PrincipalID:  principalID,
		ObjectID:     principalID,
		Audience:     "https://management.azure.com/",
		Issuer:       "https://sts.windows.net/" + tenantID + "/",
		Version:      "1.0",
		AppID:        "6f3c1d5e-0d8e-4f53-9a53-4f5dd8f4d0a1",
		IDType:       "app",
		Scopes:       []string{},
		IssuedAt:     now,
		NotBefore:    now,
		ExpiresAt:    now.Add(24*time.Hour + 5*time.Minute),
		IdentityKind: "system_assigned",
		Machine: &azuremsi.Machine{
			ID: machine.ID, SubscriptionID: subscription, Provider: "microsoft.compute", Type: "virtualmachines",
			ResourceGroup: "Web-RG", Name: "Web-1", Claim: "xms_mirid",
		},
		ManagedIdentity: &machine,
		Algorithm:       "RS256",
		KeyID:           "key-a",
		KeyIssuer:       "https://login.microsoftonline.com/{tenantid}/v2.0",
		TokenSHA256:     hex.EncodeToString(digest[:]),
	}
	if got := ev.Claims(); !reflect.DeepEqual(got, want) {
		t.Errorf("claims:\n got %+v\nwant %+v", got, want)
	}
	if got, want := ev.Identity(), "azure/"+tenantID+strings.ToLower(vmID); got != want {
		t.Errorf("identity %q, want %q", got, want)
	}
}

// TestVerifyAccepts has honest tokens that differ from the usual one.
func TestVerifyAccepts(t *testing.T) {
	authority := entra.New(keys().a)
	c := newCollector(t, authority)
	good := authority.Issue(keys().a, vm(), now)
	for name, test := range map[string]struct {
		token    entra.Token
		identity string
	}{
		"version 2.0":                     {authority.Issue(keys().a, entra.Machine{Tenant: tenantID, Principal: principalID, Version: "2.0", Audience: otherTenant}, now), "azure/" + tenantID + "/" + principalID},
		"tid in upper case":               {authority.Issue(keys().a, entra.Machine{Tenant: strings.ToUpper(tenantID), Principal: principalID}, now), "azure/" + tenantID + "/" + principalID},
		"expired within the leeway":       {good.With("iat", now.Add(-time.Hour).Unix()).With("nbf", now.Add(-time.Hour).Unix()).With("exp", now.Add(-5*time.Minute+time.Second).Unix()), ""},
		"not yet valid within the leeway": {good.With("nbf", now.Add(5*time.Minute).Unix()), ""},
		"issued ahead within the leeway":  {good.With("iat", now.Add(5*time.Minute).Unix()), ""},
		"without typ":                     {good.WithoutHeader("typ"), ""},
		"with certificates in the header": {good.WithHeader("x5c", []string{certificate(t)}), ""},
		"without oid":                     {good.Without("oid"), ""},
		"with unknown claims":             {good.With("xms_new", map[string]any{"a": []int{1}}), ""},
		"user-assigned identity":          {good.With("xms_mirid", identityID).With("xms_az_rid", vmID), ""},
		"both claims, one machine":        {good.With("xms_az_rid", strings.ToUpper(vmID[:20])+vmID[20:]), ""},
		"scale set":                       {good.With("xms_mirid", scaleSetID), "azure/" + tenantID + strings.ToLower(scaleSetID)},
		"instance of its scale set":       {good.With("xms_mirid", scaleSetID).With("xms_az_rid", instanceID), "azure/" + tenantID + strings.ToLower(instanceID)},
		"user-assigned, no machine":       {good.With("xms_mirid", identityID), "azure/" + tenantID + "/" + principalID},
		"a container group":               {good.With("xms_mirid", strings.Replace(vmID, "Compute/virtualMachines", "ContainerInstance/containerGroups", 1)), "azure/" + tenantID + "/" + principalID},
	} {
		t.Run(name, func(t *testing.T) {
			if test.identity == "" {
				test.identity = "azure/" + tenantID + strings.ToLower(vmID)
			}
			ev, problem := verify(t, c, test.token.Sign())
			if problem != "" {
				t.Fatal(problem)
			}
			if got := ev.Identity(); got != test.identity {
				t.Errorf("identity %q, want %q", got, test.identity)
			}
		})
	}
}

// TestVerifyRefuses changes one thing of a good token at a time. All but a few
// are signed by a key that the authority does publish.
func TestVerifyRefuses(t *testing.T) {
	authority := entra.New(keys().a)
	c := newCollector(t, authority)
	good := authority.Issue(keys().a, vm(), now)
	unix := func(d time.Duration) int64 { return now.Add(d).Unix() }
	other := strings.Replace(vmID, "Web-1", "Web-10", 1)
	for name, test := range map[string]struct {
		token entra.Token
		want  string
	}{
		// Algorithm and header.
		"RS512":               {good.WithHeader("alg", "RS512"), `header: alg "RS512" is not allowed; RS256 is`},
		"PS256":               {good.WithHeader("alg", "PS256"), `header: alg "PS256" is not allowed; RS256 is`},
		"crit":                {good.WithHeader("crit", []string{"exp"}), `header: crit is not allowed`},
		"b64":                 {good.WithHeader("b64", false), `header: b64 is not allowed`},
		"zip":                 {good.WithHeader("zip", "DEF"), `header: zip is not allowed`},
		"jwk":                 {good.WithHeader("jwk", map[string]any{"kty": "RSA"}), `header: jwk is not allowed`},
		"jku":                 {good.WithHeader("jku", "https://evil.example/keys"), `header: jku is not allowed`},
		"x5u":                 {good.WithHeader("x5u", "https://evil.example/cert"), `header: x5u is not allowed`},
		"null jwk":            {good.WithHeader("jwk", nil), `header: jwk is not allowed`},
		"typ":                 {good.WithHeader("typ", "dpop+jwt"), `header: typ "dpop+jwt" is not that of an access token`},
		"no kid":              {good.WithoutHeader("kid"), `header: kid is missing`},
		"empty kid":           {good.WithHeader("kid", ""), `header: kid is missing`},
		"kid is no string":    {good.WithHeader("kid", 7), `header: json: cannot unmarshal number into Go struct field header.kid of type string`},
		"kid with a line end": {good.WithHeader("kid", "key-a\n"), `header: kid has a control character`},
		"kid in another case": {good.WithHeader("Kid", "key-b"), `header: key "Kid" must be written "kid"`},
		"long header":         {good.WithHeader("pad", strings.Repeat("a", 1024)), `token's header of 1088 bytes is over 1024`},

		// Time.
		"no exp":                               {good.Without("exp"), `claims: exp is missing`},
		"no nbf":                               {good.Without("nbf"), `claims: nbf is missing`},
		"no iat":                               {good.Without("iat"), `claims: iat is missing`},
		"null exp":                             {good.With("exp", nil), `claims: exp is missing`},
		"null nbf":                             {good.With("nbf", nil), `claims: nbf is missing`},
		"null iat":                             {good.With("iat", nil), `claims: iat is missing`},
		"exp 0":                                {good.With("exp", 0), `claims: exp 0 is not a time of our age`},
		"exp in the last second that there is": {good.With("exp", int64(math.MaxInt64)), `claims: exp 9223372036854775807 is not a time of our age`},
		"exp beyond an integer":                {good.With("exp", uint64(math.MaxUint64)), `claims: json: cannot unmarshal number 18446744073709551615 into Go struct field token.exp of type int64`},
		"negative nbf":                         {good.With("nbf", -1), `claims: nbf -1 is not a time of our age`},
		"fraction":                             {good.With("iat", float64(now.Unix())+0.5), `claims: json: cannot unmarshal number 1772625600.5 into Go struct field token.iat of type int64`},
		"exp is text":                          {good.With("exp", "1772625600"), `claims: json: cannot unmarshal string into Go struct field token.exp of type int64`},
		"expired": {good.With("iat", unix(-time.Hour)).With("nbf", unix(-time.Hour)).With("exp", unix(-5*time.Minute)),
			`claims: expired at 2026-03-04T11:55:00Z: it is 2026-03-04T12:00:00Z here`},
		"not yet valid":        {good.With("nbf", unix(5*time.Minute+time.Second)), `claims: not valid before 2026-03-04T12:05:01Z: it is 2026-03-04T12:00:00Z here`},
		"issued in the future": {good.With("iat", unix(5*time.Minute+time.Second)), `claims: issued at 2026-03-04T12:05:01Z, in the future: it is 2026-03-04T12:00:00Z here`},
		"exp before nbf":       {good.With("nbf", unix(4*time.Minute)).With("exp", unix(3*time.Minute)), `claims: exp 2026-03-04T12:03:00Z is not after nbf 2026-03-04T12:04:00Z`},
		"exp before iat":       {good.With("iat", unix(4*time.Minute)).With("exp", unix(3*time.Minute)), `claims: exp 2026-03-04T12:03:00Z is not after iat 2026-03-04T12:04:00Z`},
		"a life of years":      {good.With("exp", unix(8*24*time.Hour)), `claims: a life of 192h0m0s is longer than 168h0m0s`},

		// Issuer and tenant.
		"issuer of another tenant":     {good.With("iss", authority.Issuer("1.0", otherTenant)), `claims: iss "https://sts.windows.net/` + otherTenant + `/" is not "https://sts.windows.net/` + tenantID + `/", the issuer of a version 1.0 token of its tid`},
		"tid of another tenant":        {good.With("tid", otherTenant), `claims: iss "https://sts.windows.net/` + tenantID + `/" is not "https://sts.windows.net/` + otherTenant + `/", the issuer of a version 1.0 token of its tid`},
		"issuer of version 2.0":        {good.With("iss", authority.Issuer("2.0", tenantID)), `claims: iss "https://login.microsoftonline.com/` + tenantID + `/v2.0" is not "https://sts.windows.net/` + tenantID + `/", the issuer of a version 1.0 token of its tid`},
		"version 2.0, issuer of 1.0":   {good.With("ver", "2.0"), `claims: iss "https://sts.windows.net/` + tenantID + `/" is not "https://login.microsoftonline.com/` + tenantID + `/v2.0", the issuer of a version 2.0 token of its tid`},
		"issuer without its slash":     {good.With("iss", "https://sts.windows.net/"+tenantID), `claims: iss "https://sts.windows.net/` + tenantID + `" is not "https://sts.windows.net/` + tenantID + `/", the issuer of a version 1.0 token of its tid`},
		"issuer with version, as some": {good.With("iss", "https://sts.windows.net/"+tenantID+"/2.0"), `claims: iss "https://sts.windows.net/` + tenantID + `/2.0" is not "https://sts.windows.net/` + tenantID + `/", the issuer of a version 1.0 token of its tid`},
		"template as issuer":           {good.With("iss", "https://sts.windows.net/{tenantid}/").With("tid", "{tenantid}"), `claims: tid "{tenantid}" is not a GUID`},
		"no issuer":                    {good.Without("iss"), `claims: iss "" is not "https://sts.windows.net/` + tenantID + `/", the issuer of a version 1.0 token of its tid`},
		"issuer is a list":             {good.With("iss", []string{authority.Issuer("1.0", tenantID)}), `claims: json: cannot unmarshal array into Go struct field token.iss of type string`},
		"no tid":                       {good.Without("tid"), `claims: tid "" is not a GUID`},
		"tid is a domain":              {good.With("tid", "contoso.onmicrosoft.com"), `claims: tid "contoso.onmicrosoft.com" is not a GUID`},
		"tid with braces":              {good.With("tid", "{"+tenantID[1:35]+"}"), `claims: tid "{` + tenantID[1:35] + `}" is not a GUID`},
		"two tids":                     {good.With("Tid", otherTenant), `claims: key "Tid" must be written "tid"`},
		"no ver":                       {good.Without("ver"), `claims: ver "" is neither 1.0 nor 2.0`},
		"ver 3.0":                      {good.With("ver", "3.0"), `claims: ver "3.0" is neither 1.0 nor 2.0`},

		// Audience.
		"no aud":                {good.Without("aud"), `claims: aud is missing`},
		"null aud":              {good.With("aud", nil), `claims: aud is not one string`},
		"empty aud":             {good.With("aud", ""), `claims: aud is empty`},
		"several audiences":     {good.With("aud", []string{entra.ResourceManager, "https://graph.microsoft.com"}), `claims: aud is not one string`},
		"a list of one":         {good.With("aud", []string{entra.ResourceManager}), `claims: aud is not one string`},
		"an empty list":         {good.With("aud", []string{}), `claims: aud is not one string`},
		"aud with a NUL":        {good.With("aud", entra.ResourceManager+"\x00"), `claims: aud has a control character`},
		"aud of many kilobytes": {good.With("aud", strings.Repeat("a", 2000)), `claims: aud has 2000 bytes, more than 1024`},

		// Subject, which becomes a segment of the agent's path.
		"no sub":            {good.Without("sub"), `claims: sub is missing`},
		"null sub":          {good.With("sub", nil), `claims: sub is missing`},
		"sub with a slash":  {good.With("sub", "a/b"), `claims: sub "a/b" can't be a segment of a SPIFFE ID`},
		"sub ..":            {good.With("sub", ".."), `claims: sub ".." can't be a segment of a SPIFFE ID`},
		"sub .":             {good.With("sub", "."), `claims: sub "." can't be a segment of a SPIFFE ID`},
		"sub escaped":       {good.With("sub", "a%2fb"), `claims: sub "a%2fb" can't be a segment of a SPIFFE ID`},
		"sub of a letter ä": {good.With("sub", "ä"), `claims: sub "ä" can't be a segment of a SPIFFE ID`},
		"sub with a space":  {good.With("sub", "a b"), `claims: sub "a b" can't be a segment of a SPIFFE ID`},
		"long sub":          {good.With("sub", strings.Repeat("a", 129)), `claims: sub has 129 bytes, more than 128`},
		"sub is a number":   {good.With("sub", 7), `claims: json: cannot unmarshal number into Go struct field token.sub of type string`},
		"oid is no GUID":    {good.With("oid", "me"), `claims: oid "me" is not a GUID`},
		"two client IDs":    {good.With("azp", otherTenant), `claims: appid and azp differ`},
		"many scopes":       {good.With("scp", strings.Repeat("a ", 65)), `claims: scp has 65 scopes, more than 64`},

		// Resources.
		"two machines":               {good.With("xms_az_rid", other), `claims: xms_mirid and xms_az_rid name different resources: ` + strings.ToLower(vmID) + ` and ` + strings.ToLower(other)},
		"instance of another set":    {good.With("xms_mirid", scaleSetID+"2").With("xms_az_rid", instanceID), `claims: xms_mirid and xms_az_rid name different resources: ` + strings.ToLower(scaleSetID) + `2 and ` + strings.ToLower(instanceID)},
		"a machine inside a machine": {good.With("xms_mirid", vmID+"/../Web-2"), `claims: xms_mirid: resource ID "` + vmID + `/../Web-2": a part is ".."`},
		"a resource without group":   {good.With("xms_mirid", "/subscriptions/"+subscription), `claims: xms_mirid: resource ID "/subscriptions/` + subscription + `": not of the form /subscriptions/…/resourceGroups/…/providers/…/…/…`},
		"a quote in a resource":      {good.With("xms_mirid", vmID+"' or '1'='1"), `claims: xms_mirid: resource ID "` + vmID + `' or '1'='1": part "Web-1' or '1'='1" has the character '\''`},

		// Nesting.
		"deep claims": {good.With("x", []any{[]any{[]any{[]any{[]any{[]any{[]any{[]any{}}}}}}}}), `claims: nested deeper than 8 levels`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := verify(t, c, test.token.Sign()); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestVerifyAlgorithms(t *testing.T) {
	rsaKey := keys().a
	for alg, key := range map[string]entra.Key{
		"RS256": rsaKey, "RS384": rsaKey, "RS512": rsaKey, "PS256": rsaKey, "PS384": rsaKey, "PS512": rsaKey,
		"ES256": entra.NewECKey("p256", elliptic.P256()),
		"ES384": entra.NewECKey("p384", elliptic.P384()),
		"ES512": entra.NewECKey("p521", elliptic.P521()),
	} {
		t.Run(alg, func(t *testing.T) {
			authority := entra.New(key)
			token := authority.Issue(key, vm(), now).WithHeader("alg", alg).Sign()
			c := newCollector(t, authority, func(o *azuremsi.Options) { o.Algorithms = []string{alg} })
			ev, problem := verify(t, c, token)
			if problem != "" {
				t.Fatal(problem)
			}
			if got := ev.Claims().(azuremsi.Claims).Algorithm; got != alg {
				t.Errorf("algorithm %q", got)
			}
		})
	}
}

// TestClaimsHideTheToken: whoever holds the token can attest as the machine.
func TestClaimsHideTheToken(t *testing.T) {
	authority := entra.New(keys().a)
	c := newCollector(t, authority)
	token := authority.Issue(keys().a, vm(), now).Sign()
	signature := strings.Split(token, ".")[2]
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	ev, problem := verify(t, c, token)
	if problem != "" {
		t.Fatal(problem)
	}
	_, refused := verify(t, c, token+"A")
	for _, text := range []string{string(payload(t, ev.Identity())), refused, toJSON(t, ev.Claims())} {
		for _, secret := range []string{signature, string(raw), token} {
			if strings.Contains(text, secret) {
				t.Errorf("%q has the token's signature", text)
			}
		}
	}
}
