package awsiid

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The certificates that AWS publishes in
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/regions-certs.html, one
// file a region and kind. e2e/cmd/refresh-certificates writes them anew; a test
// in e2e compares them with those of SPIRE.
//
//go:generate go -C ../../e2e run ./cmd/refresh-certificates
//go:embed certificates/*/*.pem
var embedded embed.FS

// Certificates are the certificates that may sign documents, by region and kind.
// A region that isn't among them has none: there is no default.
type Certificates struct {
	regions map[string]regionCertificates
}

type regionCertificates map[SignatureKind][]*x509.Certificate

// EmbeddedCertificates returns the certificates that AWS publishes, as far as
// they were known when this package was built.
func EmbeddedCertificates() (*Certificates, error) {
	c := &Certificates{regions: map[string]regionCertificates{}}
	names, err := fs.Glob(embedded, "certificates/*/*.pem")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := embedded.ReadFile(name)
		if err != nil {
			return nil, err
		}
		parsed, err := parseCertificates(data)
		if err != nil {
			return nil, fmt.Errorf("awsiid: embedded %s: %w", name, err)
		}
		region := strings.TrimSuffix(path.Base(name), ".pem")
		if c.regions[region] == nil {
			c.regions[region] = regionCertificates{}
		}
		maps.Copy(c.regions[region], parsed)
	}
	return c, nil
}

// LoadCertificates returns the embedded certificates, with the regions added or
// replaced that dir has a file for. The file <region>.pem is all that counts for
// its region: it holds certificates of one kind or both, told apart by the size
// of their keys, and several of a kind where AWS is changing them. Files whose
// names begin with a dot are left alone, as Kubernetes keeps such beside the
// ones it mounts.
func LoadCertificates(dir string) (*Certificates, error) {
	c, err := EmbeddedCertificates()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("awsiid: certificates: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(entry fs.DirEntry) bool {
		return strings.HasPrefix(entry.Name(), ".")
	})
	if len(entries) == 0 {
		return nil, fmt.Errorf("awsiid: certificates: no files in %s", dir)
	}
	if len(entries) > maxCertificateFiles {
		return nil, fmt.Errorf("awsiid: certificates: %d files in %s, more than %d", len(entries), dir, maxCertificateFiles)
	}
	var problems []error
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		region, isPEM := strings.CutSuffix(entry.Name(), ".pem")
		if !isPEM || !IsRegion(region) {
			problems = append(problems, fmt.Errorf("awsiid: certificates: %s is not named <region>.pem after an AWS region", name))
			continue
		}
		parsed, err := readCertificates(name)
		if err != nil {
			problems = append(problems, fmt.Errorf("awsiid: certificates: %w", err))
			continue
		}
		c.regions[region] = parsed
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return c, nil
}

// Regions lists the regions that have certificates, sorted.
func (c *Certificates) Regions() []string {
	return slices.Sorted(maps.Keys(c.regions))
}

// Lookup returns the certificates of a region and kind, none if it isn't known.
func (c *Certificates) Lookup(region string, kind SignatureKind) []*x509.Certificate {
	return slices.Clone(c.regions[region][kind])
}

// readCertificates reads a file of an operator's. Its errors name the file.
func readCertificates(name string) (regionCertificates, error) {
	data, err := readBounded(name, maxCertificateFile)
	if err != nil {
		return nil, err
	}
	parsed, err := parseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return parsed, nil
}

// parseCertificates reads PEM that holds certificates with RSA keys. Text before
// each of them is let be.
func parseCertificates(data []byte) (regionCertificates, error) {
	parsed := regionCertificates{}
	for count := 0; ; count++ {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if count == maxCertificatesPerFile {
			return nil, fmt.Errorf("more than %d certificates", maxCertificatesPerFile)
		}
		kind, certificate, err := parseCertificate(block)
		if err != nil {
			return nil, err
		}
		parsed[kind] = append(parsed[kind], certificate)
		data = rest
	}
	// pem.Decode skips a block that it can't read, which would go unnoticed.
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return nil, errors.New("a damaged PEM block")
	}
	if len(parsed) == 0 {
		return nil, errors.New("no certificate in PEM form")
	}
	return parsed, nil
}

func parseCertificate(block *pem.Block) (SignatureKind, *x509.Certificate, error) {
	if block.Type != "CERTIFICATE" {
		return "", nil, fmt.Errorf("a PEM block of type %.64q, not CERTIFICATE", block.Type)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", nil, err
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return "", nil, fmt.Errorf("a certificate with a key of type %s, not RSA", certificate.PublicKeyAlgorithm)
	}
	switch bits := key.N.BitLen(); {
	case bits == 1024:
		return RSA1024, certificate, nil
	case bits >= 2048 && bits <= maxKeyBits:
		return RSA2048, certificate, nil
	default:
		return "", nil, fmt.Errorf("a certificate with an RSA key of %d bits: neither 1024 nor 2048 to %d", bits, maxKeyBits)
	}
}
