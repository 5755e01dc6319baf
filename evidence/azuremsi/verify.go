package azuremsi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// Verify checks the payload of SPIRE's azure_msi agent plugin, in this order:
//
//  1. The payload has one key, and a token within bounds.
//  2. The token is a compact JWS (RFC 7515, section 7.1), each part in the one
//     spelling that it has.
//  3. Its header allows an algorithm that we do, names a key, and does not change
//     what is signed nor bring a key along (RFC 8725, sections 3.1 and 3.10).
//  4. Its claims have the form that Microsoft's claims reference gives them: a
//     tenant, one audience, a subject that can be a segment of a SPIFFE ID, and
//     resources that don't contradict each other.
//  5. It has exp, nbf and iat, and now is within them.
//  6. The cloud's authority publishes a key of that ID for tokens of that version.
//  7. Its issuer is the authority's template filled with its own tenant: the keys
//     are the same for all tenants ("Validate the issuer", access-tokens).
//  8. One of the keys with that ID is for that algorithm and for that issuer, and
//     the signature is that key's ("Validate the signature", same place; a
//     key's issuer keeps the keys of personal accounts apart). In Microsoft's own
//     clouds a key for version 1.0 is also looked up in the set for 2.0, which
//     alone has issuers.
//
// Checks 3 to 5 are of claims that nobody has vouched for by then. They come
// first as they cost nothing, and an expired token is told so even when its key
// is long gone. Nothing is returned before the signature holds.
//
// Audience, tenant, and the kind of token are for policy to judge.
func (c *Collector) Verify(ctx context.Context, data []byte) (evidence.Evidence, error) {
	raw, err := parsePayload(data)
	if err != nil {
		return nil, err
	}
	parts, err := split(raw)
	if err != nil {
		return nil, err
	}
	head, err := parseHeader(parts.header, c.algorithms)
	if err != nil {
		return nil, err
	}
	claims, err := parseToken(parts.claims)
	if err != nil {
		return nil, err
	}
	ts, err := claims.checkTimes(c.now())
	if err != nil {
		return nil, err
	}
	set, err := c.keys.find(ctx, claims.Version, head.KeyID)
	if err != nil {
		return nil, err
	}
	if err := set.checkIssuer(claims); err != nil {
		return nil, err
	}
	key, err := set.verify(raw, head, claims, c.keys.cloud.keyIssuers(claims))
	if err != nil {
		return nil, err
	}
	if key, err = c.keys.scope(ctx, key, head, claims); err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(raw))
	return &Evidence{
		collector: c,
		named:     claims.machine,
		claims:    newClaims(claims, ts, head, key, hex.EncodeToString(digest[:])),
	}, nil
}
