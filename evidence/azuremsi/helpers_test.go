package azuremsi_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

const (
	tenantID     = "9e85e111-1103-48fc-a933-9533fe47de05"
	otherTenant  = "dd14e835-679a-4703-b4de-8f00a20c732e"
	principalID  = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"
	subscription = "0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11"

	vmID       = "/subscriptions/" + subscription + "/resourceGroups/Web-RG/providers/Microsoft.Compute/virtualMachines/Web-1"
	scaleSetID = "/subscriptions/" + subscription + "/resourceGroups/Web-RG/providers/Microsoft.Compute/virtualMachineScaleSets/workers"
	instanceID = scaleSetID + "/virtualMachines/3"
	identityID = "/subscriptions/" + subscription + "/resourcegroups/Common/providers/Microsoft.ManagedIdentity/userAssignedIdentities/deployer"
)

const leeway = 5 * time.Minute

// now is the time of all tests that need no other.
var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// keys are made once: RSA keys take long. Nobody changes them.
var keys = sync.OnceValue(func() (k struct{ a, b entra.Key }) {
	k.a, k.b = entra.NewKey("key-a"), entra.NewKey("key-b")
	return k
})

// vm is the usual machine: one with an identity that Azure assigned to it.
func vm() entra.Machine {
	return entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: vmID}
}

func publicCloud(t testing.TB) azuremsi.Cloud {
	t.Helper()
	cloud, err := azuremsi.NewCloud(azuremsi.CloudConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

// newCollector returns a collector for the public cloud with authority in its
// place.
func newCollector(t testing.TB, authority http.RoundTripper, change ...func(*azuremsi.Options)) *azuremsi.Collector {
	t.Helper()
	options := azuremsi.Options{
		Cloud:      publicCloud(t),
		HTTPClient: &http.Client{Transport: authority},
		Now:        func() time.Time { return now },
	}
	for _, f := range change {
		f(&options)
	}
	c, err := azuremsi.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// payload is what the agent sends.
func payload(t testing.TB, token string) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// verify verifies a token and returns the error's text, "" if there is none.
func verify(t testing.TB, c *azuremsi.Collector, token string) (evidence.Evidence, string) {
	t.Helper()
	return verifyPayload(t, c, payload(t, token))
}

func verifyPayload(t testing.TB, c *azuremsi.Collector, data []byte) (evidence.Evidence, string) {
	t.Helper()
	ev, err := c.Verify(context.Background(), data)
	if err != nil {
		if ev != nil {
			t.Errorf("evidence beside the error %v", err)
		}
		return nil, err.Error()
	}
	return ev, ""
}

func toJSON(t testing.TB, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// certificate is the base64 of a certificate for a key of its own.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}
