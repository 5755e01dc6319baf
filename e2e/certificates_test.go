package e2e_test

import (
	"bytes"
	"encoding/pem"
	"maps"
	"slices"
	"testing"

	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa1024"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa2048"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

// Gatehouse trusts the certificates that SPIRE's built-in trusts, region by
// region, and no others. If this fails after an update of SPIRE, AWS has
// published new ones: run go run ./cmd/refresh-certificates.
func TestEmbeddedCertificatesAreThoseOfSPIRE(t *testing.T) {
	certificates, err := awsiid.EmbeddedCertificates()
	if err != nil {
		t.Fatal(err)
	}
	for kind, spire := range map[awsiid.SignatureKind]map[string]string{
		awsiid.RSA1024: awsrsa1024.CACerts,
		awsiid.RSA2048: awsrsa2048.CACerts,
	} {
		if got, want := certificates.Regions(), slices.Sorted(maps.Keys(spire)); !slices.Equal(got, want) {
			t.Errorf("%s: regions\n%v, SPIRE has\n%v", kind, got, want)
		}
		for region, text := range spire {
			block, _ := pem.Decode([]byte(text))
			if block == nil {
				t.Fatalf("%s %s: SPIRE's certificate is not PEM", kind, region)
			}
			found := certificates.Lookup(region, kind)
			if len(found) != 1 || !bytes.Equal(found[0].Raw, block.Bytes) {
				t.Errorf("%s %s: not SPIRE's certificate", kind, region)
			}
		}
	}
}
