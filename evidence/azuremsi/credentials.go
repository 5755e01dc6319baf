package azuremsi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/spire-gatehouse/gatehouse/evidence/cache"
)

// TenantCredentials say how Resource Manager is read for a tenant's machines.
// Without an app ID the default credential does it, if there is one.
type TenantCredentials struct {
	// SubscriptionID narrows the search for a machine that its token does not
	// name. It is optional but with AppSecret, as it is for SPIRE.
	SubscriptionID string

	// AppID is the client ID of an app registration, which is authenticated by
	// either AppSecret or the token in FederatedTokenFile.
	AppID, AppSecret   string
	FederatedTokenFile string
}

// check names the fields as SPIRE's configuration does.
func (c TenantCredentials) check() error {
	if c.SubscriptionID != "" {
		if _, err := parseGUID(c.SubscriptionID); err != nil {
			return fmt.Errorf("subscription_id %w", err)
		}
	}
	switch {
	case c.AppSecret != "" && c.FederatedTokenFile != "":
		return errors.New("app_secret and federated_token_file exclude each other")
	case c.AppSecret != "" && (c.AppID == "" || c.SubscriptionID == ""):
		return errors.New("app_secret needs app_id and subscription_id")
	case c.FederatedTokenFile != "" && c.AppID == "":
		return errors.New("federated_token_file needs app_id")
	case c.AppID != "" && c.AppSecret == "" && c.FederatedTokenFile == "":
		return errors.New("app_id needs app_secret or federated_token_file")
	}
	return nil
}

// credentials are those of all tenants. Each is made when it is first needed, so
// that configuration works on a machine that has none.
type credentials struct {
	tenants    map[string]TenantCredentials // by lower-case GUID
	client     azcore.ClientOptions
	cloud      Cloud
	newDefault func(tenantID string) (azcore.TokenCredential, error)
	log        func(message string)

	// usable holds the credential of a tenant, nil if there is none.
	usable *cache.Cache[string, azcore.TokenCredential]

	mu   sync.Mutex
	made map[string]*madeCredential
}

// madeCredential is kept for as long as the process runs: tokens are cached in it.
type madeCredential struct {
	credential azcore.TokenCredential
	explicit   bool // configured for the tenant: it must work
	worked     bool // guarded by credentials.mu
	reported   bool // guarded by credentials.mu: its absence is in the log
}

func newCredentials(o Options, transport policy.Transporter) (*credentials, error) {
	c := &credentials{
		tenants: map[string]TenantCredentials{}, cloud: o.Cloud, newDefault: o.DefaultCredential, log: o.Log,
		client: azcore.ClientOptions{Cloud: o.Cloud.sdk, Transport: transport, Retry: policy.RetryOptions{
			TryTimeout: attemptTimeout, MaxRetryDelay: retryAfter,
		}},
		made: map[string]*madeCredential{},
	}
	reporting(&c.client)
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(o.Tenants)) {
		id, err := parseGUID(name)
		if err == nil {
			err = o.Tenants[name].check()
		}
		if _, twice := c.tenants[id]; err == nil && twice {
			err = errors.New("is there twice, in two spellings")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("tenant %q: %w", name, err))
			continue
		}
		c.tenants[id] = o.Tenants[name]
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	var err error
	c.usable, err = cache.New(credentialOptions(), c.load)
	return c, err
}

func credentialOptions() cache.Options {
	return cache.Options{
		Name: "credential", Waiting: maxWaiting, Lifetime: credentialLifetime, Recheck: credentialRecheck, Retry: retryAfter, Stale: credentialLifetime,
		LoadTimeout: credentialTimeout, Size: MaxTenants,
	}
}

// of returns a tenant's credential, or errNoCredential.
func (c *credentials) of(ctx context.Context, tenant string) (azcore.TokenCredential, error) {
	credential, err := c.usable.Get(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("credential for tenant %s: %w", tenant, condensed{err})
	}
	if credential == nil {
		return nil, errNoCredential
	}
	return credential, nil
}

// subscription is the one that a tenant's machines are searched in, "" for all.
func (c *credentials) subscription(tenant string) string {
	return lower(c.tenants[tenant].SubscriptionID)
}

// load finds out whether a tenant has a credential.
func (c *credentials) load(ctx context.Context, tenant string) (azcore.TokenCredential, error) {
	made, err := c.make(tenant)
	if err != nil {
		return nil, err
	}
	if made.explicit {
		return made.credential, nil // if it fails, then where it is used
	}
	exists, err := tryCredential(ctx, made.credential, c.cloud.managementScope())
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case exists:
		made.worked = true
		return made.credential, nil
	case made.worked:
		// Not the machine without credentials that it pretends to be now: going on
		// without facts would weaken the decision.
		return nil, errors.New("the default credential, which did work before, is not available")
	case !made.reported:
		made.reported = true
		c.log(fmt.Sprintf("no Azure credential for tenant %s: its nodes are attested from their signed tokens alone, without facts from Resource Manager", tenant))
	}
	return nil, nil
}

// make returns the credential of a tenant, which it makes once.
func (c *credentials) make(tenant string) (*madeCredential, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if made := c.made[tenant]; made != nil {
		return made, nil
	}
	if len(c.made) >= MaxTenants {
		return nil, fmt.Errorf("credentials for %d tenants are in use already", MaxTenants)
	}
	config := c.tenants[tenant]
	made := &madeCredential{explicit: config.AppID != ""}
	var err error
	switch {
	case config.AppSecret != "":
		made.credential, err = azidentity.NewClientSecretCredential(tenant, config.AppID, config.AppSecret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: c.client, DisableInstanceDiscovery: !c.cloud.known})
	case config.FederatedTokenFile != "":
		made.credential, err = azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: c.client, DisableInstanceDiscovery: !c.cloud.known,
			ClientID: config.AppID, TenantID: tenant, TokenFilePath: config.FederatedTokenFile,
		})
	case c.newDefault != nil:
		made.credential, err = c.newDefault(tenant)
	default:
		made.credential, err = azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: c.client, DisableInstanceDiscovery: !c.cloud.known, TenantID: tenant,
		})
	}
	if err != nil {
		return nil, err
	}
	c.made[tenant] = made
	return made, nil
}

// tryCredential says whether a credential is there at all. An error is one of a
// credential that is there and fails.
func tryCredential(ctx context.Context, credential azcore.TokenCredential, scope string) (bool, error) {
	// A chain goes on to its next credential exactly when the one before says that
	// it is not available: azidentity has no other way to be asked.
	chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{credential, noCredential{}}, nil)
	if err != nil {
		return false, err
	}
	token, err := chain.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	return token.Token != "", err
}

// NoCredential is a DefaultCredential for servers that must not look for one. The
// default one asks 169.254.169.254, where another cloud than Azure can answer in a
// way that it takes long to make sense of.
func NoCredential(string) (azcore.TokenCredential, error) { return noCredential{}, nil }

// noCredential has no token. It ends a chain.
type noCredential struct{}

func (noCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, nil
}
