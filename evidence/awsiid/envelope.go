package awsiid

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of RFC 5652 (CMS), RFC 5754 and RFC 8017.
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidSHA256WithRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
)

var (
	tagExplicit0 = cbasn1.Tag(0).ContextSpecific().Constructed()
	tagExplicit1 = cbasn1.Tag(1).ContextSpecific().Constructed()
)

// An envelope is a PKCS#7 message (RFC 5652) of the one shape that AWS makes.
type envelope struct {
	der          []byte // the whole message
	content      []byte // what is signed
	certificates [][]byte
	issuer       []byte // of the signer's certificate
	serial       *big.Int
}

// parseEnvelope reads DER of exactly this shape, every element accounted for:
//
//	ContentInfo of type signedData
//	  SignedData version 1
//	    one digest algorithm, SHA-256
//	    content of type data, present and not empty
//	    certificates, perhaps; no revocation lists
//	    exactly one SignerInfo: version 1, issuer and serial number, SHA-256,
//	      signed attributes with one contentType (data) and one messageDigest
//	      (SHA-256's size), RSA, a signature; no unsigned attributes
//
// encoding/asn1 would ignore elements after the last one that it knows.
func parseEnvelope(der []byte) (envelope, error) {
	e := envelope{der: der}
	input := cryptobyte.String(der)
	var info, explicit, signed cryptobyte.String
	if !input.ReadASN1(&info, cbasn1.SEQUENCE) || !input.Empty() {
		return envelope{}, errors.New("not one sequence")
	}
	if !readOID(&info, oidSignedData) {
		return envelope{}, errors.New("not signed data")
	}
	if !info.ReadASN1(&explicit, tagExplicit0) || !info.Empty() ||
		!explicit.ReadASN1(&signed, cbasn1.SEQUENCE) || !explicit.Empty() {
		return envelope{}, errors.New("malformed content info")
	}
	if err := e.parseSignedData(signed); err != nil {
		return envelope{}, err
	}
	return e, nil
}

func (e *envelope) parseSignedData(signed cryptobyte.String) error {
	if !readVersion1(&signed) {
		return errors.New("signed data: not version 1")
	}
	var digests, encapsulated, signers, signer cryptobyte.String
	if !signed.ReadASN1(&digests, cbasn1.SET) || !readAlgorithm(&digests, oidSHA256) || !digests.Empty() {
		return errors.New("signed data: digest algorithms other than SHA-256 alone")
	}
	if !signed.ReadASN1(&encapsulated, cbasn1.SEQUENCE) {
		return errors.New("signed data: no content info")
	}
	if err := e.parseContent(encapsulated); err != nil {
		return fmt.Errorf("signed data: %w", err)
	}
	if err := e.parseCertificates(&signed); err != nil {
		return fmt.Errorf("signed data: %w", err)
	}
	if signed.PeekASN1Tag(tagExplicit1) {
		return errors.New("signed data: revocation lists")
	}
	if !signed.ReadASN1(&signers, cbasn1.SET) || !signed.Empty() {
		return errors.New("signed data: malformed signers")
	}
	if !signers.ReadASN1(&signer, cbasn1.SEQUENCE) {
		return errors.New("signed data: no signer")
	}
	if !signers.Empty() {
		return errors.New("signed data: more than one signer")
	}
	if err := e.parseSigner(signer); err != nil {
		return fmt.Errorf("signer: %w", err)
	}
	return nil
}

func (e *envelope) parseContent(encapsulated cryptobyte.String) error {
	if !readOID(&encapsulated, oidData) {
		return errors.New("content that is not of type data")
	}
	if encapsulated.Empty() {
		return errors.New("no content")
	}
	var explicit, content cryptobyte.String
	if !encapsulated.ReadASN1(&explicit, tagExplicit0) || !encapsulated.Empty() ||
		!explicit.ReadASN1(&content, cbasn1.OCTET_STRING) || !explicit.Empty() {
		return errors.New("malformed content")
	}
	if content.Empty() {
		return errors.New("empty content")
	}
	e.content = content
	return nil
}

func (e *envelope) parseCertificates(signed *cryptobyte.String) error {
	var certificates cryptobyte.String
	var present bool
	if !signed.ReadOptionalASN1(&certificates, &present, tagExplicit0) {
		return errors.New("malformed certificates")
	}
	for !certificates.Empty() {
		var certificate cryptobyte.String
		if !certificates.ReadASN1Element(&certificate, cbasn1.SEQUENCE) {
			return errors.New("malformed certificates")
		}
		e.certificates = append(e.certificates, certificate)
	}
	return nil
}

func (e *envelope) parseSigner(signer cryptobyte.String) error {
	if !readVersion1(&signer) {
		return errors.New("not version 1")
	}
	var identity, issuer, attributes, signature cryptobyte.String
	e.serial = new(big.Int)
	if !signer.ReadASN1(&identity, cbasn1.SEQUENCE) ||
		!identity.ReadASN1Element(&issuer, cbasn1.SEQUENCE) ||
		!identity.ReadASN1Integer(e.serial) || !identity.Empty() {
		return errors.New("not named by issuer and serial number")
	}
	e.issuer = issuer
	if !readAlgorithm(&signer, oidSHA256) {
		return errors.New("a digest algorithm other than SHA-256")
	}
	if !signer.PeekASN1Tag(tagExplicit0) {
		return errors.New("no signed attributes")
	}
	if !signer.ReadASN1(&attributes, tagExplicit0) {
		return errors.New("malformed signed attributes")
	}
	if err := checkAttributes(attributes); err != nil {
		return err
	}
	if !readAlgorithm(&signer, oidRSA, oidSHA256WithRSA) {
		return errors.New("a signature algorithm other than RSA with SHA-256")
	}
	if !signer.ReadASN1(&signature, cbasn1.OCTET_STRING) {
		return errors.New("no signature")
	}
	if signer.PeekASN1Tag(tagExplicit1) {
		return errors.New("unsigned attributes")
	}
	if !signer.Empty() {
		return errors.New("more than a signer has")
	}
	return nil
}

// checkAttributes checks the signed attributes: none twice, the two that RFC
// 5652, section 11, requires each with one value. That the digest is right is
// checked with the signature; AWS adds signingTime (section 11.3) and
// CMSAlgorithmProtection (RFC 6211), of which nothing here depends.
func checkAttributes(attributes cryptobyte.String) error {
	seen := map[string]bool{}
	for !attributes.Empty() {
		var attribute, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, cbasn1.SEQUENCE) ||
			!attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() {
			return errors.New("malformed signed attributes")
		}
		if seen[oid.String()] {
			return fmt.Errorf("signed attribute %s twice", oid)
		}
		seen[oid.String()] = true
		switch {
		case oid.Equal(oidContentType):
			if !readOID(&values, oidData) || !values.Empty() {
				return errors.New("signed attribute contentType is not data")
			}
		case oid.Equal(oidMessageDigest):
			var digest cryptobyte.String
			if !values.ReadASN1(&digest, cbasn1.OCTET_STRING) || !values.Empty() || len(digest) != 32 {
				return errors.New("signed attribute messageDigest is not one SHA-256 digest")
			}
		}
	}
	if !seen[oidContentType.String()] {
		return errors.New("no signed attribute contentType")
	}
	if !seen[oidMessageDigest.String()] {
		return errors.New("no signed attribute messageDigest")
	}
	return nil
}

func readOID(s *cryptobyte.String, want asn1.ObjectIdentifier) bool {
	var oid asn1.ObjectIdentifier
	return s.ReadASN1ObjectIdentifier(&oid) && oid.Equal(want)
}

func readVersion1(s *cryptobyte.String) bool {
	var version int64
	return s.ReadASN1Integer(&version) && version == 1
}

// readAlgorithm reads an AlgorithmIdentifier that is one of those wanted, with
// parameters absent or NULL.
func readAlgorithm(s *cryptobyte.String, want ...asn1.ObjectIdentifier) bool {
	var algorithm, null cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!algorithm.ReadOptionalASN1(&null, nil, cbasn1.NULL) || !null.Empty() || !algorithm.Empty() {
		return false
	}
	return slices.ContainsFunc(want, oid.Equal)
}
