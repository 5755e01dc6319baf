package azuremsi

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// Options configure a Collector. All but Cloud is optional.
type Options struct {
	// Cloud is who signs tokens, and whose Resource Manager is asked.
	Cloud Cloud

	// Algorithms are the signature algorithms that are allowed: RS256 by default.
	// RS384, RS512, PS256, PS384, PS512, ES256, ES384 and ES512 are there as well.
	Algorithms []string

	// Tenants say how facts of some tenants are read, by tenant ID. For others
	// the default credential is tried. Whose tokens are let in is for policy.
	Tenants map[string]TenantCredentials

	// HTTPClient asks the authority and Resource Manager. Its CheckRedirect does
	// not count for the authority, of whom no redirect is followed.
	HTTPClient *http.Client

	// ResourceManager asks Resource Manager in place of HTTPClient.
	ResourceManager policy.Transporter

	// DefaultCredential makes the credential of tenants that have none in
	// Tenants. By default it is azidentity's DefaultAzureCredential.
	DefaultCredential func(tenantID string) (azcore.TokenCredential, error)

	// Log takes the few messages that are not about one attestation.
	Log func(message string)

	// Now is the clock that tokens are judged by; nil means time.Now.
	Now func() time.Time
}

// Collector verifies tokens of one cloud.
type Collector struct {
	algorithms []string
	now        func() time.Time
	keys       *keySets
	facts      *facts
}

var _ evidence.Collector = (*Collector)(nil)

// New returns a Collector. It asks nobody anything yet.
func New(o Options) (*Collector, error) {
	if o.Cloud.authority == nil {
		return nil, errors.New("azuremsi: Cloud is missing")
	}
	if o.HTTPClient == nil {
		o.HTTPClient = defaultClient()
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{"RS256"}
	}
	for _, alg := range o.Algorithms {
		if familyOf(alg) == "" {
			return nil, fmt.Errorf("azuremsi: algorithm %q is not supported", alg)
		}
	}
	keys, err := newKeySets(o.Cloud, o.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("azuremsi: %w", err)
	}
	credentials, err := newCredentials(o, o.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("azuremsi: %w", err)
	}
	source := newResourceManager(o, credentials)
	facts, err := newFacts(source, source, source, source)
	if err != nil {
		return nil, fmt.Errorf("azuremsi: %w", err)
	}
	return &Collector{algorithms: slices.Clone(o.Algorithms), now: o.Now, keys: keys, facts: facts}, nil
}

// FactNames implements evidence.Collector.
func (c *Collector) FactNames() []string { return []string{factNetwork, factVirtualMachine} }

func defaultClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.ResponseHeaderTimeout = 30 * time.Second
	transport.MaxIdleConnsPerHost = 16
	return &http.Client{Transport: transport}
}
