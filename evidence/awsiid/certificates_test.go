package awsiid_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// Every embedded file is what its name says: one certificate of that kind, made
// by AWS and signed with its own key, valid for years.
func TestEmbeddedCertificates(t *testing.T) {
	certificates, err := awsiid.EmbeddedCertificates()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []awsiid.SignatureKind{awsiid.RSA2048, awsiid.RSA1024} {
		files, err := filepath.Glob(filepath.Join("certificates", string(kind), "*.pem"))
		if err != nil {
			t.Fatal(err)
		}
		var regions []string
		for _, file := range files {
			region := strings.TrimSuffix(filepath.Base(file), ".pem")
			regions = append(regions, region)
			t.Run(string(kind)+"/"+region, func(t *testing.T) {
				found := certificates.Lookup(region, kind)
				if len(found) != 1 {
					t.Fatalf("%d certificates, want one", len(found))
				}
				certificate := found[0]
				key, ok := certificate.PublicKey.(*rsa.PublicKey)
				if want := map[awsiid.SignatureKind]int{awsiid.RSA1024: 1024, awsiid.RSA2048: 2048}[kind]; !ok || key.N.BitLen() != want {
					t.Errorf("key %T is not of RSA with %d bits", certificate.PublicKey, want)
				}
				if o := certificate.Subject.Organization; !reflect.DeepEqual(o, []string{"Amazon Web Services LLC"}) && !reflect.DeepEqual(o, []string{"Amazon.com Inc."}) {
					t.Errorf("organization %q", o)
				}
				if !reflect.DeepEqual(certificate.RawIssuer, certificate.RawSubject) {
					t.Errorf("issuer %s is not the subject %s", certificate.Issuer, certificate.Subject)
				}
				if life := certificate.NotAfter.Sub(certificate.NotBefore); life < 4*365*24*time.Hour {
					t.Errorf("valid from %s to %s", certificate.NotBefore, certificate.NotAfter)
				}
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				header, _, _ := strings.Cut(string(data), "\n")
				want := region + ", " + string(kind) + ", from https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/regions-certs.html"
				if header != want {
					t.Errorf("first line %q, want %q", header, want)
				}
			})
		}
		if len(regions) < 39 {
			t.Errorf("%s: %d regions, want at least 39", kind, len(regions))
		}
		if got := certificates.Regions(); !slices.Equal(got, regions) {
			t.Errorf("%s: files for %v, certificates for %v", kind, regions, got)
		}
	}
}

func TestLoadCertificates(t *testing.T) {
	ours, other := authorities(t)
	dir := t.TempDir()
	// One region replaced, by an RSA-2048 certificate alone; one region added,
	// with a second certificate beside the first.
	writePEM(t, dir, "us-east-1.pem", "text before it is let be\n", ours.RSA2048.Raw)
	writePEM(t, dir, "us-east-9.pem", "", ours.RSA2048.Raw, ours.RSA1024.Raw, other.RSA2048.Raw)
	writePEM(t, dir, "..2026_01_01", "as Kubernetes keeps them")
	certificates, err := awsiid.LoadCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := awsiid.EmbeddedCertificates()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		region string
		kind   awsiid.SignatureKind
		want   []*x509.Certificate
	}{
		{"us-east-1", awsiid.RSA2048, []*x509.Certificate{ours.RSA2048}},
		{"us-east-1", awsiid.RSA1024, nil},
		{"us-east-9", awsiid.RSA2048, []*x509.Certificate{ours.RSA2048, other.RSA2048}},
		{"us-east-9", awsiid.RSA1024, []*x509.Certificate{ours.RSA1024}},
		{"us-west-2", awsiid.RSA2048, plain.Lookup("us-west-2", awsiid.RSA2048)},
		{"us-west-9", awsiid.RSA2048, nil},
		{"", awsiid.RSA1024, nil},
	} {
		if got := certificates.Lookup(tc.region, tc.kind); !slices.EqualFunc(got, tc.want, (*x509.Certificate).Equal) {
			t.Errorf("%s %s: %d certificates, not the %d wanted", tc.region, tc.kind, len(got), len(tc.want))
		}
	}
	if got, want := len(certificates.Regions()), len(plain.Regions())+1; got != want {
		t.Errorf("%d regions, want %d", got, want)
	}
}

// Two certificates of one kind are for a change of keys: each may sign.
func TestVerifyDuringKeyChange(t *testing.T) {
	ours, other := authorities(t)
	dir := t.TempDir()
	writePEM(t, dir, "us-east-1.pem", "", other.RSA2048.Raw, other.RSA1024.Raw, ours.RSA2048.Raw, ours.RSA1024.Raw)
	certificates, err := awsiid.LoadCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	collector, err := awsiid.New(awsiid.Options{Certificates: certificates, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	document := authority.NewDocument("us-east-1").JSON()
	for name, a := range map[string]*authority.Authority{"old": other, "new": ours} {
		payload := mustSign(t, func() ([]byte, error) { return a.Payload(document) })
		if _, err := collector.Verify(t.Context(), payload); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		signature := mustSign(t, func() ([]byte, error) { return a.SignRSA1024(document) })
		if _, err := collector.Verify(t.Context(), authority.Payload(document, signature, nil)); err != nil {
			t.Errorf("%s, RSA-1024: %v", name, err)
		}
	}
}

func TestLoadCertificatesRefuses(t *testing.T) {
	ours, _ := authorities(t)
	good := pemOf("CERTIFICATE", ours.RSA2048.Raw)
	many := strings.Repeat(good, 9)
	for name, tc := range map[string]struct {
		files map[string]string
		want  string // DIR stands for the directory
	}{
		"empty directory":   {nil, "awsiid: certificates: no files in DIR"},
		"only hidden files": {map[string]string{".x": good}, "awsiid: certificates: no files in DIR"},
		"not a region":      {map[string]string{"virginia.pem": good}, "awsiid: certificates: DIR/virginia.pem is not named <region>.pem after an AWS region"},
		"not PEM by name":   {map[string]string{"us-east-1.crt": good}, "awsiid: certificates: DIR/us-east-1.crt is not named <region>.pem after an AWS region"},
		"not PEM":           {map[string]string{"us-east-1.pem": "hello"}, "awsiid: certificates: DIR/us-east-1.pem: no certificate in PEM form"},
		"empty":             {map[string]string{"us-east-1.pem": ""}, "awsiid: certificates: DIR/us-east-1.pem: no certificate in PEM form"},
		"a key":             {map[string]string{"us-east-1.pem": pemOf("PRIVATE KEY", []byte("x"))}, `awsiid: certificates: DIR/us-east-1.pem: a PEM block of type "PRIVATE KEY", not CERTIFICATE`},
		"a damaged second":  {map[string]string{"us-east-1.pem": good + good[:200]}, "awsiid: certificates: DIR/us-east-1.pem: a damaged PEM block"},
		"not a certificate": {map[string]string{"us-east-1.pem": pemOf("CERTIFICATE", []byte("x"))}, "awsiid: certificates: DIR/us-east-1.pem: x509: malformed certificate"},
		"too many":          {map[string]string{"us-east-1.pem": many}, "awsiid: certificates: DIR/us-east-1.pem: more than 8 certificates"},
		"too large":         {map[string]string{"us-east-1.pem": good + strings.Repeat("x", 64<<10)}, "awsiid: certificates: DIR/us-east-1.pem has more than 65536 bytes"},
		"an EC key":         {map[string]string{"us-east-1.pem": pemOf("CERTIFICATE", ecCertificate(t))}, "awsiid: certificates: DIR/us-east-1.pem: a certificate with a key of type ECDSA, not RSA"},
		"all problems at once": {map[string]string{"us-east-1.pem": "", "x.pem": good, "us-west-2.pem": good},
			"awsiid: certificates: DIR/us-east-1.pem: no certificate in PEM form\nawsiid: certificates: DIR/x.pem is not named <region>.pem after an AWS region"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := awsiid.LoadCertificates(dir)
			if want := strings.ReplaceAll(tc.want, "DIR", dir); got != nil || err == nil || err.Error() != want {
				t.Errorf("got error %v\n        want %s", err, want)
			}
		})
	}
	t.Run("no directory", func(t *testing.T) {
		if _, err := awsiid.LoadCertificates(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a directory for a file", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "us-east-1.pem"), 0o700); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("awsiid: certificates: %s/us-east-1.pem is not a file", dir)
		if _, err := awsiid.LoadCertificates(dir); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
	t.Run("too many files", func(t *testing.T) {
		dir := t.TempDir()
		for i := range 257 {
			writePEM(t, dir, fmt.Sprintf("%d.pem", i), "")
		}
		want := fmt.Sprintf("awsiid: certificates: 257 files in %s, more than 256", dir)
		if _, err := awsiid.LoadCertificates(dir); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

func TestNewRefusesNoCertificates(t *testing.T) {
	if _, err := awsiid.New(awsiid.Options{Certificates: &awsiid.Certificates{}}); err == nil || err.Error() != "awsiid: no certificates" {
		t.Errorf("got %v", err)
	}
}

func writePEM(t *testing.T, dir, name, before string, certificates ...[]byte) {
	t.Helper()
	for _, der := range certificates {
		before += pemOf("CERTIFICATE", der)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func ecCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
