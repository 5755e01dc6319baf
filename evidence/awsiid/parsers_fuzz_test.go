package awsiid

import (
	"crypto/rsa"
	"os"
	"strings"
	"testing"
	"time"

	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// FuzzDocument: whatever AWS might have signed, what is taken from it has the form
// that agent IDs, calls and policy rely on, and can be taken again.
func FuzzDocument(f *testing.F) {
	good := string(authority.NewDocument("us-west-2").JSON())
	f.Add(good)
	f.Add(strings.Replace(good, "{", `{"cpu":{"cores":[1,2]},`, 1))
	f.Add(strings.Replace(good, "us-west-2b", "us-west-2-lax-1a", 1))
	f.Add(strings.Replace(good, `"123456789012"`, `"\u00312345678901\u0032"`, 1))
	f.Add(strings.Replace(good, "{", "{\"billingProducts\":[null],", 1))
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := parseDocument(text, now)
		if err != nil {
			return
		}
		if !IsAccountID(doc.AccountID) || !IsRegion(doc.Region) || !instancePattern.MatchString(doc.InstanceID) ||
			!strings.HasPrefix(doc.AvailabilityZone, doc.Region) || doc.pending.After(now.Add(maxFuture)) || doc.partition == "" {
			t.Errorf("taken: %+v", doc)
		}
	})
}

// FuzzCertificates: of an operator's file, nothing but certificates with RSA keys
// of bounded size gets into a pool.
func FuzzCertificates(f *testing.F) {
	for _, name := range []string{"certificates/rsa2048/us-west-2.pem", "certificates/rsa1024/us-west-2.pem"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(append([]byte("a comment\n"), text...))
		f.Add(text[:len(text)-5])
		f.Add(append(append([]byte{}, text...), text...))
	}
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parseCertificates(text)
		if (err == nil) == (len(parsed) == 0) {
			t.Fatalf("got %v, %v", parsed, err)
		}
		for kind, certificates := range parsed {
			for _, certificate := range certificates {
				bits := certificate.PublicKey.(*rsa.PublicKey).N.BitLen()
				if bits > maxKeyBits || (kind == RSA1024) != (bits == 1024) || bits < 1024 {
					t.Errorf("a key of %d bits as %s", bits, kind)
				}
			}
		}
	})
}

// FuzzAccountList: what is in a list has the form of an account's ID.
func FuzzAccountList(f *testing.F) {
	for _, text := range []string{`["123456789012"]`, `[]`, `null`, `[null]`, `["12345678901"]`, `[123456789012]`, `{}`, `["123456789012","123456789012"]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		accounts, err := parseAccountList(text)
		if (err == nil) == (accounts == nil) {
			t.Fatalf("got %v, %v", accounts, err)
		}
		for id, account := range accounts {
			if !IsAccountID(id) || account.AccountID != id {
				t.Errorf("%q is %+v", id, account)
			}
		}
	})
}
