package azuremsi

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// checkIssuer compares a token's issuer with the one that its tenant has by the
// template of the set.
func (s keySet) checkIssuer(t token) error {
	if want := strings.Replace(s.issuer, tenantSlot, t.TenantID, 1); t.Issuer != want {
		return fmt.Errorf("claims: iss %q is not %q, the issuer of a version %s token of its tid", t.Issuer, want, t.Version)
	}
	return nil
}

// verify tries every key that has the token's key ID, and returns the one that
// signed it.
func (s keySet) verify(raw string, h header, t token, issuers []string) (publishedKey, error) {
	keys := s.keys[h.KeyID]
	if len(keys) == 0 {
		return publishedKey{}, fmt.Errorf("key %q of %s can't be used: %w", h.KeyID, s.source, s.unusable[h.KeyID])
	}
	var causes []error
	for _, key := range keys {
		switch {
		case !key.fits(h.Algorithm):
			causes = append(causes, fmt.Errorf("it is not a key for %s", h.Algorithm))
		case !key.signsFor(issuers, t.TenantID):
			causes = append(causes, fmt.Errorf("it is for tokens of the issuer %s only", key.issuer))
		case key.verify(raw, h.Algorithm) != nil:
			causes = append(causes, errors.New("the signature is not its"))
		default:
			return key, nil
		}
	}
	return publishedKey{}, fmt.Errorf("key %q: %w", h.KeyID, errors.Join(causes...))
}

// keyIssuers are the issuers that a key for a token may be scoped to: the token's
// own, or the one that a version 2.0 token of its tenant would have. Microsoft's
// own library allows both (Microsoft.IdentityModel.Validators), as only the
// version 2.0 document scopes keys.
func (c Cloud) keyIssuers(t token) []string {
	issuers := []string{t.Issuer}
	if template := c.issuers[v2]; template != "" {
		issuers = append(issuers, strings.Replace(template, tenantSlot, t.TenantID, 1))
	}
	return issuers
}

// scope looks up the issuer of a key that was published without one. Those are
// all keys for version 1.0, with which the tokens of stock agents are signed;
// for version 2.0, Microsoft publishes the same keys with their issuers.
func (s *keySets) scope(ctx context.Context, key publishedKey, h header, t token) (publishedKey, error) {
	if !s.cloud.known || t.Version != v1 || key.issuer != "" {
		return key, nil
	}
	set, err := s.sets.Get(ctx, v2)
	if err != nil {
		return publishedKey{}, unavailable(err)
	}
	issuers := s.cloud.keyIssuers(t)
	var causes []error
	for _, scoped := range set.keys[h.KeyID] {
		switch {
		case !scoped.equal(key):
		case scoped.signsFor(issuers, t.TenantID):
			return scoped, nil
		default:
			causes = append(causes, fmt.Errorf("key %q: it is for tokens of the issuer %s only", h.KeyID, scoped.issuer))
		}
	}
	return key, errors.Join(causes...)
}
