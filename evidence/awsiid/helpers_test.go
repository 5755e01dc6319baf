package awsiid_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

const testRegion = "us-east-1"

// now is the time of all tests.
var now = time.Date(2026, 1, 2, 3, 10, 0, 0, time.UTC)

// Keys take time to make, so that all tests share two authorities.
var (
	first  = sync.OnceValues(func() (*authority.Authority, error) { return authority.New(testRegion) })
	second = sync.OnceValues(func() (*authority.Authority, error) { return authority.New("eu-south-1") })
)

func authorities(t testing.TB) (ours, other *authority.Authority) {
	t.Helper()
	ours, err := first()
	if err != nil {
		t.Fatal(err)
	}
	other, err = second()
	if err != nil {
		t.Fatal(err)
	}
	return ours, other
}

// trusting returns a collector that takes the authorities' certificates for
// those of their regions.
func trusting(t testing.TB, clients awsiid.Clients, trusted ...*authority.Authority) *awsiid.Collector {
	t.Helper()
	return collecting(t, awsiid.Options{Clients: clients, Now: func() time.Time { return now }}, trusted...)
}

// collecting returns such a collector with options of its own.
func collecting(t testing.TB, options awsiid.Options, trusted ...*authority.Authority) *awsiid.Collector {
	t.Helper()
	options.Certificates = certificatesOf(t, trusted...)
	collector, err := awsiid.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return collector
}

func certificatesOf(t testing.TB, trusted ...*authority.Authority) *awsiid.Certificates {
	t.Helper()
	dir := t.TempDir()
	for _, a := range trusted {
		if err := a.WriteCertificates(dir); err != nil {
			t.Fatal(err)
		}
	}
	certificates, err := awsiid.LoadCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	return certificates
}

// A wire is a payload in parts, with the envelope out of its base64.
type wire struct {
	document  string
	signature []byte
	envelope  []byte
}

func (w wire) payload() []byte {
	return authority.Payload([]byte(w.document), w.signature, w.envelope)
}

// vector reads the payload that AWS signed.
func vector(t testing.TB) wire {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "evidence", "aws-iid-us-west-2-rsa2048.json"))
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ Document, RSA2048 string }
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	envelope, err := base64.StdEncoding.DecodeString(p.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	return wire{document: p.Document, envelope: envelope}
}

// refused checks that a payload is refused with an error.
func refused(t *testing.T, collector *awsiid.Collector, payload []byte, want string) {
	t.Helper()
	got, err := collector.Verify(context.Background(), payload)
	if got != nil {
		t.Errorf("accepted as %+v", got.Claims())
	}
	if err == nil || !strings.HasPrefix(err.Error(), "awsiid: "+want) {
		t.Errorf("got error %v\n        want awsiid: %s", err, want)
	}
}

func mustSign(t testing.TB, sign func() ([]byte, error)) []byte {
	t.Helper()
	data, err := sign()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
