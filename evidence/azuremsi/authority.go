package azuremsi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/strictjson"
)

// authority reads what a cloud's authority publishes.
type authority struct {
	cloud  Cloud
	client *http.Client
}

// newAuthority returns an authority that is read with client, which never
// follows a redirect and keeps no cookies.
func newAuthority(cloud Cloud, client *http.Client) authority {
	own := *client
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return authority{cloud: cloud, client: &own}
}

// discovery is an OpenID Connect discovery document, what we use of it.
type discovery struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri"`
}

// discoveryPath is where a version's discovery document is, below the authority.
// The document for all tenants has a template for an issuer, and the keys of all
// of them: https://learn.microsoft.com/entra/identity-platform/access-tokens
func discoveryPath(version string) string {
	if version == v1 {
		return "/common/.well-known/openid-configuration"
	}
	return "/common/v2.0/.well-known/openid-configuration"
}

// keySet reads the keys that sign tokens of a version.
func (a authority) keySet(ctx context.Context, version string) (keySet, error) {
	documentURL := *a.cloud.authority
	documentURL.Path = discoveryPath(version)
	body, err := a.get(ctx, "entra:openid-configuration", &documentURL)
	if err != nil {
		return keySet{}, err
	}
	var document discovery
	options := strictjson.Options{MaxDepth: maxSetDepth, AllowUnknownFields: true}
	if err := strictjson.Unmarshal(body, &document, options); err != nil {
		return keySet{}, fmt.Errorf("%s: %w", &documentURL, err)
	}
	if err := a.checkIssuer(version, document.Issuer); err != nil {
		return keySet{}, fmt.Errorf("%s: %w", &documentURL, err)
	}
	keysURL, err := a.keysURL(document.JWKSURI)
	if err != nil {
		return keySet{}, fmt.Errorf("%s: jwks_uri %.256q: %w", &documentURL, document.JWKSURI, err)
	}
	if body, err = a.get(ctx, "entra:keys", keysURL); err != nil {
		return keySet{}, err
	}
	set, err := parseKeySet(body)
	if err != nil {
		return keySet{}, fmt.Errorf("%s: %w", keysURL, err)
	}
	set.source, set.issuer = keysURL.String(), document.Issuer
	return set, nil
}

// checkIssuer compares a published issuer with the one that Microsoft documents,
// where it does, and asks for a place for the tenant in any case: otherwise the
// issuer would say nothing about the tenant that a token claims.
func (a authority) checkIssuer(version, issuer string) error {
	if want := a.cloud.issuers[version]; want != "" && issuer != want {
		return fmt.Errorf("issuer %.256q is not %q, that of cloud %s", issuer, want, a.cloud.name)
	}
	if strings.Count(issuer, tenantSlot) != 1 {
		return fmt.Errorf("issuer %.256q does not have %s once", issuer, tenantSlot)
	}
	return nil
}

// keysURL allows the authority's own host only: nobody else may name keys.
func (a authority) keysURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if u.Scheme != a.cloud.authority.Scheme || !strings.EqualFold(u.Host, a.cloud.authority.Host) || u.User != nil {
		return nil, fmt.Errorf("not of %s", a.cloud.authority)
	}
	return u, nil
}

// get reads a bounded body, and reports that by the name of the call.
func (a authority) get(ctx context.Context, name string, u *url.URL) (_ []byte, err error) {
	began := time.Now()
	defer func() {
		evidence.ObserverOf(ctx).Called(evidence.Call{API: name, Elapsed: time.Since(began), Err: err})
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err // names the method and the URL
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: answered %s", u, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAuthorityBody+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u, err)
	}
	if len(body) > maxAuthorityBody {
		return nil, fmt.Errorf("%s: answered more than %d bytes", u, maxAuthorityBody)
	}
	return body, nil
}

// rawKeySet is a JSON Web Key Set (RFC 7517, section 5).
type rawKeySet struct {
	Keys []json.RawMessage `json:"keys"`
}

// parseKeySet reads a set of at least one key that can be used.
func parseKeySet(data []byte) (keySet, error) {
	var raw rawKeySet
	options := strictjson.Options{MaxDepth: maxSetDepth, AllowUnknownFields: true}
	if err := strictjson.Unmarshal(data, &raw, options); err != nil {
		return keySet{}, err
	}
	if len(raw.Keys) > maxKeys {
		return keySet{}, fmt.Errorf("%d keys, more than %d", len(raw.Keys), maxKeys)
	}
	set := keySet{keys: map[string][]publishedKey{}, unusable: map[string]error{}}
	for i, rawKey := range raw.Keys {
		id, key, err := parseKey(rawKey)
		switch {
		case err == nil:
			set.keys[id] = append(set.keys[id], key)
		case id != "": // kept for those who wonder why a token of that key is refused
			set.unusable[id] = err
		case len(raw.Keys) == 1:
			return keySet{}, fmt.Errorf("key %d: %w", i, err)
		}
	}
	if len(set.keys) == 0 {
		return keySet{}, fmt.Errorf("none of %d keys can be used", len(raw.Keys))
	}
	return set, nil
}
