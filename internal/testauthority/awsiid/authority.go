// Package awsiid is a stand-in for AWS as the signer of instance identity
// documents. It makes its own keys and certificates, and signs whatever it is
// asked to: tests and the demo put its certificates in the place of AWS's.
//
// Start with [New] and [Authority.Payload]. What it makes has the structure, to
// the byte, of what AWS makes (see testdata/evidence); [Envelope] says how to
// make what AWS never would.
package awsiid

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// An Authority signs as AWS does in one region.
type Authority struct {
	Region string

	// RSA2048 and RSA1024 are the certificates that AWS would publish.
	RSA2048, RSA1024 *x509.Certificate

	key2048, key1024 *rsa.PrivateKey
}

// New makes keys and self-signed certificates for a region.
func New(region string) (*Authority, error) {
	a := &Authority{Region: region}
	var err error
	if a.key2048, a.RSA2048, err = newCertificate(2048); err != nil {
		return nil, err
	}
	if a.key1024, a.RSA1024, err = newCertificate(1024); err != nil {
		return nil, err
	}
	return a, nil
}

// newCertificate makes a certificate with the subject that AWS's have.
func newCertificate(bits int) (*rsa.PrivateKey, *x509.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, nil, err
	}
	subject, err := asn1.Marshal(pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "US"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 8}, Value: "Washington State"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 7}, Value: "Seattle"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Amazon Web Services LLC"}},
	})
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:       serial.Add(serial, big.NewInt(1)),
		RawSubject:         subject,
		NotBefore:          time.Date(2015, 8, 14, 9, 0, 0, 0, time.UTC),
		NotAfter:           time.Date(2195, 1, 17, 9, 0, 0, 0, time.UTC),
		SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return key, certificate, err
}

// Payload signs a document with both keys, and returns what SPIRE's agent would
// send.
func (a *Authority) Payload(document []byte) ([]byte, error) {
	signature, err := a.SignRSA1024(document)
	if err != nil {
		return nil, err
	}
	envelope, err := a.SignRSA2048(document, Envelope{})
	if err != nil {
		return nil, err
	}
	return Payload(document, signature, envelope), nil
}

// Payload joins a document and two signatures as SPIRE's agent does, in base64
// with lines as the instance metadata service gives them.
func Payload(document, signature, envelope []byte) []byte {
	payload, err := json.Marshal(struct {
		Document  string `json:"document"`
		Signature string `json:"signature"`
		RSA2048   string `json:"rsa2048"`
	}{string(document), Base64(signature), Base64(envelope)})
	if err != nil {
		panic(err) // a struct of strings can be marshalled
	}
	return payload
}

// SignRSA1024 makes the bare signature, not yet in base64.
func (a *Authority) SignRSA1024(document []byte) ([]byte, error) {
	digest := sha256.Sum256(document)
	return rsa.SignPKCS1v15(rand.Reader, a.key1024, crypto.SHA256, digest[:])
}

// WriteCertificates writes <region>.pem with both certificates below dir, as an
// operator would for a new region.
func (a *Authority) WriteCertificates(dir string) error {
	var file []byte
	for _, certificate := range []*x509.Certificate{a.RSA2048, a.RSA1024} {
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	}
	return os.WriteFile(filepath.Join(dir, a.Region+".pem"), file, 0o644)
}

// Base64 encodes in lines of 76 characters.
func Base64(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var lines []byte
	for len(text) > 76 {
		lines = append(append(lines, text[:76]...), '\n')
		text = text[76:]
	}
	return string(append(lines, text...))
}
