package azuremsi

import (
	"cmp"
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

	// WithoutResourceGraph reads machines and interfaces from Resource Manager
	// alone, whose answers are newer, in lists where they are many. (Machines that
	// tokens don't name are still found by Resource Graph.)
	WithoutResourceGraph bool

	// Lifetimes say how long answers are kept. Those that are zero are the
	// defaults.
	Lifetimes Lifetimes

	// Log takes the few messages that are not about one attestation.
	Log func(message string)

	// Now is the clock that tokens are judged by; nil means time.Now.
	Now func() time.Time
}

// Lifetimes are how old the answers may be that keys and facts come from.
type Lifetimes struct {
	// Keys is how old a key set may be, KeysStale the same while the authority
	// fails, and KeysRecheck the least time between two readings of one.
	Keys, KeysStale, KeysRecheck time.Duration

	// Resource is how old a machine, an interface or a search for a machine may
	// be, and Recheck the least time between two readings of one.
	Resource, Recheck time.Duration
}

// DefaultLifetimes are what counts where an operator says nothing.
func DefaultLifetimes() Lifetimes {
	return Lifetimes{
		Keys: keySetLifetime, KeysStale: keySetStale, KeysRecheck: keySetRecheck,
		Resource: factLifetime, Recheck: factRecheck,
	}
}

// withDefaults fills in what is zero.
func (l Lifetimes) withDefaults() Lifetimes {
	d := DefaultLifetimes()
	return Lifetimes{
		Keys: cmp.Or(l.Keys, d.Keys), KeysStale: cmp.Or(l.KeysStale, d.KeysStale), KeysRecheck: cmp.Or(l.KeysRecheck, d.KeysRecheck),
		Resource: cmp.Or(l.Resource, d.Resource), Recheck: cmp.Or(l.Recheck, d.Recheck),
	}
}

// Collector verifies tokens of one cloud.
type Collector struct {
	algorithms []string
	now        func() time.Time
	keys       *keySets
	facts      *facts

	// What Close is about, besides.
	credentials *credentials
	http        *http.Client
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
	o.Lifetimes = o.Lifetimes.withDefaults()
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{"RS256"}
	}
	for _, alg := range o.Algorithms {
		if familyOf(alg) == "" {
			return nil, fmt.Errorf("azuremsi: algorithm %q is not supported", alg)
		}
	}
	keys, err := newKeySets(o.Cloud, o.HTTPClient, o.Lifetimes)
	if err != nil {
		return nil, fmt.Errorf("azuremsi: %w", err)
	}
	credentials, err := newCredentials(o, o.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("azuremsi: %w", err)
	}
	manager, err := newResourceManager(o, credentials)
	if err != nil {
		return nil, fmt.Errorf("azuremsi: %w", err)
	}
	facts, err := newFacts(manager, o.Lifetimes)
	if err != nil {
		return nil, fmt.Errorf("azuremsi: %w", err)
	}
	return &Collector{algorithms: slices.Clone(o.Algorithms), now: o.Now, keys: keys, facts: facts, credentials: credentials, http: o.HTTPClient}, nil
}

// Close ends what is still being asked for in the background, and closes
// connections that are not in use. Nobody may be using the collector's evidence
// any more.
func (c *Collector) Close() {
	c.keys.sets.Close()
	c.facts.close()
	c.credentials.usable.Close()
	c.http.CloseIdleConnections()
}

// FactNames implements evidence.Collector.
func (c *Collector) FactNames() []string { return []string{factNetwork, factVirtualMachine} }

func defaultClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.ResponseHeaderTimeout = 30 * time.Second
	transport.MaxIdleConnsPerHost = 16
	// Nobody we ask has a use for redirects, and one could point anywhere.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: stay}
}
