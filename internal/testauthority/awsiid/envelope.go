package awsiid

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"
)

// An Envelope says how a PKCS#7 message differs from those that AWS makes. The
// zero value: not at all.
type Envelope struct {
	// SigningTime is when it is signed. The zero value is the time of the real
	// document in testdata/evidence.
	SigningTime time.Time

	Version              int                   // of the signed data; 0: 1
	DigestAlgorithm      asn1.ObjectIdentifier // nil: SHA-256, which is used anyway
	ExtraDigestAlgorithm bool                  // name SHA-256 twice
	ContentType          asn1.ObjectIdentifier // nil: data
	Detached             bool                  // leave out the content
	Empty                bool                  // content of no bytes
	Definite             bool                  // count lengths, and keep the content in one piece: DER
	Pieces               int                   // of content; 0: one
	Certificates         [][]byte              // DER
	RevocationList       bool                  // an empty one
	NoSigner             bool
	Trailing             []byte // after the message

	// Of the signer:
	ExtraSigner        *Authority
	SignerVersion      int                   // 0: 1
	Issuer             []byte                // DER; nil: the certificate's
	Serial             *big.Int              // nil: the certificate's
	SignerDigest       asn1.ObjectIdentifier // nil: SHA-256
	SignatureAlgorithm asn1.ObjectIdentifier // nil: sha256WithRSAEncryption
	NoAttributes       bool                  // sign the content itself
	AttributeType      asn1.ObjectIdentifier // of the attribute contentType's value; nil: data
	NoContentType      bool
	NoMessageDigest    bool
	NoSigningTime      bool
	TwoMessageDigests  bool   // two values in one attribute
	Attribute          []byte // DER of one more attribute
	UnsignedAttributes bool
	ExtraElement       bool // after all that a signer has
}

var (
	oidData             = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidAlgorithmProtect = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 52}
	oidSHA256           = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA256WithRSA    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
)

// Tags of DER.
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagSequence    = 0x30
	tagSet         = 0x31
	tagContext0    = 0xA0
	tagContext1    = 0xA1
	constructed    = 0x20
)

// SignRSA2048 makes the PKCS#7 message over a document, not yet in base64.
func (a *Authority) SignRSA2048(document []byte, e Envelope) ([]byte, error) {
	open := indefinite
	if e.Definite {
		open = definite
	}
	var signers [][]byte
	if !e.NoSigner {
		signer, err := a.signer(document, e)
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer)
	}
	if e.ExtraSigner != nil {
		signer, err := e.ExtraSigner.signer(document, Envelope{})
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer)
	}
	digests := algorithm(or(e.DigestAlgorithm, oidSHA256))
	if e.ExtraDigestAlgorithm {
		digests = append(digests, digests...)
	}
	signed := [][]byte{
		integer(max(e.Version, 1)),
		definite(tagSet, digests),
		open(tagSequence, oid(or(e.ContentType, oidData)), e.content(open, document)),
	}
	if len(e.Certificates) > 0 {
		signed = append(signed, definite(tagContext0, e.Certificates...))
	}
	if e.RevocationList {
		signed = append(signed, definite(tagContext1))
	}
	signed = append(signed, definite(tagSet, signers...))
	message := open(tagSequence, oid(oidSignedData), open(tagContext0, open(tagSequence, signed...)))
	return append(message, e.Trailing...), nil
}

// content wraps the document as AWS does: an octet string in pieces.
func (e Envelope) content(open func(byte, ...[]byte) []byte, document []byte) []byte {
	if e.Detached {
		return nil
	}
	if e.Empty {
		document = nil
	}
	if e.Definite {
		return definite(tagContext0, definite(tagOctetString, document))
	}
	size := (len(document) + max(e.Pieces, 1) - 1) / max(e.Pieces, 1)
	var pieces [][]byte
	for piece := range slices.Chunk(document, max(size, 1)) {
		pieces = append(pieces, definite(tagOctetString, piece))
	}
	return open(tagContext0, open(tagOctetString|constructed, pieces...))
}

// signer makes a SignerInfo.
func (a *Authority) signer(document []byte, e Envelope) ([]byte, error) {
	if e.Empty {
		document = nil
	}
	attributes := e.attributes(document)
	signed := definite(tagSet, attributes...)
	if e.NoAttributes {
		signed = document
	}
	digest := sha256.Sum256(signed)
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key2048, crypto.SHA256, digest[:])
	if err != nil {
		return nil, err
	}
	issuer, serial := a.RSA2048.RawIssuer, a.RSA2048.SerialNumber
	if e.Issuer != nil {
		issuer = e.Issuer
	}
	if e.Serial != nil {
		serial = e.Serial
	}
	parts := [][]byte{
		integer(max(e.SignerVersion, 1)),
		definite(tagSequence, issuer, marshal(serial)),
		algorithm(or(e.SignerDigest, oidSHA256)),
	}
	if !e.NoAttributes {
		parts = append(parts, definite(tagContext0, attributes...))
	}
	parts = append(parts,
		algorithm(or(e.SignatureAlgorithm, oidSHA256WithRSA)),
		definite(tagOctetString, signature))
	if e.UnsignedAttributes {
		parts = append(parts, definite(tagContext1, attribute(oidSigningTime, marshal(e.signingTime()))))
	}
	if e.ExtraElement {
		parts = append(parts, integer(1))
	}
	return definite(tagSequence, parts...), nil
}

// attributes makes the signed attributes, sorted as a DER set is.
func (e Envelope) attributes(document []byte) [][]byte {
	digest := sha256.Sum256(document)
	var attributes [][]byte
	if !e.NoContentType {
		attributes = append(attributes, attribute(oidContentType, oid(or(e.AttributeType, oidData))))
	}
	if !e.NoSigningTime {
		attributes = append(attributes, attribute(oidSigningTime, marshal(e.signingTime())))
	}
	attributes = append(attributes, attribute(oidAlgorithmProtect, definite(tagSequence,
		algorithm(oidSHA256), definite(tagContext1, oid(oidSHA256WithRSA), []byte{0x05, 0}))))
	if !e.NoMessageDigest {
		values := definite(tagOctetString, digest[:])
		if e.TwoMessageDigests {
			values = append(values, values...)
		}
		attributes = append(attributes, attribute(oidMessageDigest, values))
	}
	if e.Attribute != nil {
		attributes = append(attributes, e.Attribute)
	}
	slices.SortFunc(attributes, slices.Compare)
	return attributes
}

func (e Envelope) signingTime() time.Time {
	if e.SigningTime.IsZero() {
		return time.Date(2021, 9, 3, 21, 25, 47, 0, time.UTC)
	}
	return e.SigningTime.UTC()
}

// Attribute makes a signed attribute, for Envelope.Attribute.
func Attribute(kind asn1.ObjectIdentifier, value any) []byte { return attribute(kind, marshal(value)) }

func attribute(kind asn1.ObjectIdentifier, values []byte) []byte {
	return definite(tagSequence, oid(kind), definite(tagSet, values))
}

func algorithm(kind asn1.ObjectIdentifier) []byte {
	return definite(tagSequence, oid(kind), []byte{0x05, 0})
}

func integer(value int) []byte { return marshal(value) }

func oid(value asn1.ObjectIdentifier) []byte { return marshal(value) }

// definite is an element whose length is counted.
func definite(tag byte, contents ...[]byte) []byte {
	content := slices.Concat(contents...)
	var length []byte
	switch n := len(content); {
	case n < 0x80:
		length = []byte{byte(n)}
	case n < 0x100:
		length = []byte{0x81, byte(n)}
	case n < 0x10000:
		length = []byte{0x82, byte(n >> 8), byte(n)}
	default:
		length = []byte{0x83, byte(n >> 16), byte(n >> 8), byte(n)}
	}
	return slices.Concat([]byte{tag}, length, content)
}

// indefinite is an element whose end is marked.
func indefinite(tag byte, contents ...[]byte) []byte {
	return slices.Concat([]byte{tag, 0x80}, slices.Concat(contents...), []byte{0, 0})
}

func marshal(value any) []byte {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err) // only with what a test hands in
	}
	return der
}

func or(value, otherwise asn1.ObjectIdentifier) asn1.ObjectIdentifier {
	if value == nil {
		return otherwise
	}
	return value
}
