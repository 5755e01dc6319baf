package awsiid

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// A SignatureKind is one of the two kinds of signature that SPIRE's agent sends.
type SignatureKind string

const (
	// RSA2048 is a PKCS#7 message signed with the region's RSA-2048 key.
	RSA2048 SignatureKind = "rsa2048"

	// RSA1024 is a bare signature by the region's RSA-1024 key.
	RSA1024 SignatureKind = "rsa1024"
)

// verifySignature checks that one of a region's certificates signed the
// document, and returns that certificate. The kind is the stronger one that the
// payload has: a bad RSA-2048 signature isn't made up for by an RSA-1024 one.
func verifySignature(p payload, region string, trusted *Certificates) (SignatureKind, *x509.Certificate, error) {
	kind, verify := RSA2048, verifyRSA2048
	if p.RSA2048 == "" {
		kind, verify = RSA1024, verifyRSA1024
	}
	pinned := trusted.Lookup(region, kind)
	if len(pinned) == 0 {
		return "", nil, fmt.Errorf("%s: no certificate of region %s is known", kind, region)
	}
	certificate, err := verify(p, pinned)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", kind, err)
	}
	return kind, certificate, nil
}

// verifyRSA2048 checks the PKCS#7 message.
func verifyRSA2048(p payload, pinned []*x509.Certificate) (*x509.Certificate, error) {
	ber, err := decodeBase64(p.RSA2048)
	if err != nil {
		return nil, err
	}
	der, err := toDER(ber)
	if err != nil {
		return nil, err
	}
	message, err := parseEnvelope(der)
	if err != nil {
		return nil, err
	}
	if string(message.content) != p.Document {
		return nil, errors.New("what is signed is not the document")
	}
	signer, err := message.signer(pinned)
	if err != nil {
		return nil, err
	}
	if err := message.verify(signer); err != nil {
		return nil, err
	}
	return signer, nil
}

// signer returns the pinned certificate that the message names. Certificates in
// the message are none to trust: AWS sends none, and any but that one is
// refused.
func (e *envelope) signer(pinned []*x509.Certificate) (*x509.Certificate, error) {
	for _, certificate := range pinned {
		if !bytes.Equal(certificate.RawIssuer, e.issuer) || certificate.SerialNumber.Cmp(e.serial) != 0 {
			continue
		}
		for _, embedded := range e.certificates {
			if !bytes.Equal(embedded, certificate.Raw) {
				return nil, errors.New("a certificate in the message that is not the region's")
			}
		}
		return certificate, nil
	}
	return nil, fmt.Errorf("signer with serial number %x is not one of the region's certificates", e.serial)
}

// verify checks the digest, the signature and the signing time with the PKCS#7
// library. The library sees only DER whose shape is known, and that certificate
// in place of any from the message.
func (e *envelope) verify(signer *x509.Certificate) (err error) {
	// Versions of the library have panicked on bad input, and no one restarts a
	// plugin that dies.
	defer recovered.To(&err)
	message, err := pkcs7.Parse(e.der)
	if err != nil {
		return err
	}
	if !bytes.Equal(message.Content, e.content) || len(message.Signers) != 1 {
		return errors.New("pkcs7 reads the message in another way")
	}
	message.Certificates = []*x509.Certificate{signer}
	return message.Verify()
}

// verifyRSA1024 checks the bare signature: PKCS #1 v1.5 with SHA-256.
func verifyRSA1024(p payload, pinned []*x509.Certificate) (*x509.Certificate, error) {
	signature, err := decodeBase64(p.Signature)
	if err != nil {
		return nil, err
	}
	var refusals []error
	for _, certificate := range pinned {
		if err := certificate.CheckSignature(x509.SHA256WithRSA, []byte(p.Document), signature); err != nil {
			refusals = append(refusals, err)
			continue
		}
		return certificate, nil
	}
	return nil, errors.Join(refusals...)
}

// decodeBase64 decodes standard base64 with padding; line ends may be anywhere.
func decodeBase64(text string) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	return data, nil
}
