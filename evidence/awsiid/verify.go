package awsiid

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// Verify checks what an agent sent, in this order, and calls no one:
//
//  1. Payload: bounded; one JSON object with the keys document, signature and
//     rsa2048 as SPIRE's agent writes them (pkg/common/plugin/aws/iid.go), none
//     twice or in another case, no others. The document and one signature are
//     there.
//  2. Document: bounded; one JSON object with the fields of AWS's
//     instance-identity-documents.html; account, instance, region, zone, pending
//     time and address well-formed, the zone in the region, the pending time not
//     in the future. This comes before the signature because the region picks
//     the certificate; nothing is done with it yet.
//  3. Certificate: one of the region's that AWS publishes in
//     regions-certs.html. A region without any is refused.
//  4. With rsa2048 (verify-rsa2048.html): bounded BER, made DER; the shape that
//     AWS makes, with exactly one signer (RFC 5652, section 5); what is signed is
//     the document, byte for byte; the signer is a pinned certificate; digest,
//     signature and signing time (RFC 5652, sections 5.4 and 11).
//  5. Without rsa2048 (verify-signature.html): the RSA-1024 signature over the
//     document.
//
// AWS's pages are those below
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/.
func (c *Collector) Verify(_ context.Context, data []byte) (evidence.Evidence, error) {
	p, err := parsePayload(data)
	if err != nil {
		return nil, fmt.Errorf("awsiid: %w", err)
	}
	doc, err := parseDocument(p.Document, c.now())
	if err != nil {
		return nil, fmt.Errorf("awsiid: %w", err)
	}
	kind, certificate, err := verifySignature(p, doc.Region, c.certificates)
	if err != nil {
		return nil, fmt.Errorf("awsiid: %w", err)
	}
	claims := doc.claims()
	claims.SignatureKind = kind
	claims.CertificateSHA256 = sha256Hex(certificate.Raw)
	claims.DocumentSHA256 = sha256Hex([]byte(p.Document))
	return &Evidence{claims: claims, collector: c, scope: c.scopeOf(claims)}, nil
}

// Evidence is a document that AWS signed. Only Verify makes one that says
// anything.
type Evidence struct {
	claims    Claims
	collector *Collector
	scope     Scope
}

var _ evidence.Evidence = (*Evidence)(nil)

// Claims returns the document's content as a Claims struct.
func (e *Evidence) Claims() any { return e.claims }

// Identity names the instance: "aws/123456789012/i-0123456789abcdef0". It has
// nothing in it that an instance could change.
func (e *Evidence) Identity() string {
	return "aws/" + e.claims.AccountID + "/" + e.claims.InstanceID
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
