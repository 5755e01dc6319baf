package azuremsi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestTenantCredentials authenticates with the authority's token endpoint, over
// TLS, with azidentity's own credentials.
func TestTenantCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("signed-by-another-issuer"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		credentials azuremsi.TenantCredentials
		want        map[string]string // of the form that the authority gets
	}{
		"secret": {
			azuremsi.TenantCredentials{SubscriptionID: subscription, AppID: otherTenant, AppSecret: "s3cret"},
			map[string]string{"client_id": otherTenant, "client_secret": "s3cret"},
		},
		"federated token file": {
			azuremsi.TenantCredentials{AppID: otherTenant, FederatedTokenFile: file},
			map[string]string{"client_id": otherTenant, "client_assertion": "signed-by-another-issuer"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			authority := entra.New(keys().a)
			server := authority.Serve()
			defer server.Close()
			got := map[string]string{}
			authority.Answer("/"+tenantID+"/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
				for field := range test.want {
					got[field] = r.PostFormValue(field)
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"token-of-%s"}`, tenantID)
			})
			authority.Answer("/"+tenantID+"/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"issuer":"%[1]s/%[2]s/v2.0","authorization_endpoint":"%[1]s/%[2]s/oauth2/v2.0/authorize","token_endpoint":"%[1]s/%[2]s/oauth2/v2.0/token"}`, server.URL, tenantID)
			})
			cloud, err := azuremsi.NewCloud(azuremsi.CloudConfig{Authority: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			a := usual(t)
			c := newCollector(t, nil, a.with, func(o *azuremsi.Options) {
				o.Cloud, o.HTTPClient = cloud, server.Client()
				o.DefaultCredential = func(string) (azcore.TokenCredential, error) { return nil, errors.New("nobody asked for this") }
				o.Tenants = map[string]azuremsi.TenantCredentials{strings.ToUpper(tenantID): test.credentials}
			})
			if fact := gather(t, authority, c, authority.Issue(keys().a, vm(), now))["virtual_machine"]; fact.Status != evidence.StatusKnown {
				t.Errorf("got %+v", fact)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("the authority got %v", got)
			}
		})
	}
}

// TestTenantCredentialsRefused: what an operator configured must work, and the
// reason why it does not is told without the page around it.
func TestTenantCredentialsRefused(t *testing.T) {
	authority := entra.New(keys().a)
	server := authority.Serve()
	defer server.Close()
	authority.Answer("/"+tenantID+"/oauth2/v2.0/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\nTrace ID: 1"}`)
	})
	authority.Answer("/"+tenantID+"/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":"%[1]s/%[2]s/v2.0","authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/%[2]s/oauth2/v2.0/token"}`, server.URL, tenantID)
	})
	cloud, err := azuremsi.NewCloud(azuremsi.CloudConfig{Authority: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, nil, usual(t).with, func(o *azuremsi.Options) {
		o.Cloud, o.HTTPClient = cloud, server.Client()
		o.Tenants = map[string]azuremsi.TenantCredentials{tenantID: {SubscriptionID: subscription, AppID: otherTenant, AppSecret: "s3cret"}}
	})
	fact := gather(t, authority, c, authority.Issue(keys().a, vm(), now))["virtual_machine"]
	want := "read " + strings.ToLower(vmID) + ": authentication: ClientSecretCredential authentication failed.  (answered 401: AADSTS7000215: Invalid client secret provided.)"
	if fact.Status != evidence.StatusError || strings.Join(strings.Fields(fact.Err.Error()), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got %+v", fact)
	}
}

// fickle is a default credential that may be there or not.
type fickle struct {
	tenant string
	err    error
}

func (f *fickle) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if f.err != nil {
		return azcore.AccessToken{}, f.err
	}
	return credential(f.tenant).GetToken(ctx, o)
}

// TestDefaultCredential runs on a clock of its own.
func TestDefaultCredential(t *testing.T) {
	keys()
	none := azidentity.NewCredentialUnavailableError("this machine has no identity")
	run := func(name string, f func(t *testing.T, own *fickle, said *[]string, ask func() evidence.Fact)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				own, said := &fickle{}, &[]string{}
				authority, c := collectorFor(t, usual(t), func(o *azuremsi.Options) {
					o.Now = time.Now
					o.Log = func(message string) { *said = append(*said, message) }
					o.DefaultCredential = func(tenant string) (azcore.TokenCredential, error) {
						own.tenant = tenant
						return own, nil
					}
				})
				f(t, own, said, func() evidence.Fact {
					return gather(t, authority, c, authority.Issue(keys().a, vm(), time.Now()))["virtual_machine"]
				})
				synctest.Wait()
			})
		})
	}
	run("none: the signed token alone, and it says so once", func(t *testing.T, own *fickle, said *[]string, ask func() evidence.Fact) {
		own.err = none
		for range 20 {
			if got := ask(); got.Status != evidence.StatusNotCollected || got.Err != nil {
				t.Errorf("got %+v", got)
			}
			time.Sleep(time.Minute)
		}
		want := []string{"no Azure credential for tenant " + tenantID + ": its nodes are attested from their signed tokens alone, without facts from Resource Manager"}
		if !reflect.DeepEqual(*said, want) {
			t.Errorf("said %q", *said)
		}
		own.err = nil // it got one
		time.Sleep(5 * time.Minute)
		if got := ask(); got.Status != evidence.StatusKnown {
			t.Errorf("got %+v", got)
		}
	})
	run("one that fails is no reason to go on without", func(t *testing.T, own *fickle, said *[]string, ask func() evidence.Fact) {
		own.err = errors.New("the authority is down")
		if got := ask(); got.Status != evidence.StatusError || !strings.Contains(got.Err.Error(), "the authority is down") {
			t.Errorf("got %+v", got)
		}
		own.err = nil
		time.Sleep(11 * time.Second)
		if got := ask(); got.Status != evidence.StatusKnown {
			t.Errorf("got %+v", got)
		}
	})
	run("nor is one that vanished", func(t *testing.T, own *fickle, said *[]string, ask func() evidence.Fact) {
		if got := ask(); got.Status != evidence.StatusKnown {
			t.Errorf("got %+v", got)
		}
		own.err = none
		time.Sleep(time.Hour)
		want := "credential for tenant " + tenantID + ": the default credential, which did work before, is not available"
		if got := ask(); got.Status != evidence.StatusError || got.Err.Error() != want {
			t.Errorf("got %+v", got)
		}
	})
}

// TestWithoutAzure: a machine with no credential and no instance metadata service
// configures and attests. The default credential is the real one.
func TestWithoutAzure(t *testing.T) {
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT", "MSI_ENDPOINT"} {
		t.Setenv(name, "") // to have it restored
		os.Unsetenv(name)
	}
	t.Setenv("PATH", t.TempDir()) // no developer's tools
	authority := entra.New(keys().a)
	c := newCollector(t, onlyAuthority{authority})
	got := gather(t, authority, c, authority.Issue(keys().a, vm(), now))
	want := map[string]evidence.Fact{
		"virtual_machine": {Status: evidence.StatusNotCollected},
		"network":         {Status: evidence.StatusNotCollected},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// onlyAuthority is a network on which nothing else can be reached.
type onlyAuthority struct{ authority *entra.Authority }

func (n onlyAuthority) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "login.microsoftonline.com" {
		return nil, errors.New("no route to host " + r.URL.Host)
	}
	return n.authority.RoundTrip(r)
}

// TestNoCredential: an operator can rule out that one is looked for.
func TestNoCredential(t *testing.T) {
	a := usual(t)
	authority, c := collectorFor(t, a, func(o *azuremsi.Options) { o.DefaultCredential = azuremsi.NoCredential })
	for _, id := range []string{vmID, scaleSetID, identityID, ""} {
		m := entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: id}
		got := gather(t, authority, c, authority.Issue(keys().a, m, now))["virtual_machine"]
		if got.Status != evidence.StatusNotCollected || len(a.asked()) != 0 {
			t.Errorf("%s: got %+v", id, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	tenants := func(c azuremsi.TenantCredentials) func(*azuremsi.Options) {
		return func(o *azuremsi.Options) { o.Tenants = map[string]azuremsi.TenantCredentials{tenantID: c} }
	}
	for want, change := range map[string]func(*azuremsi.Options){
		`azuremsi: Cloud is missing`:                   func(o *azuremsi.Options) { o.Cloud = azuremsi.Cloud{} },
		`azuremsi: algorithm "none" is not supported`:  func(o *azuremsi.Options) { o.Algorithms = []string{"RS256", "none"} },
		`azuremsi: algorithm "HS256" is not supported`: func(o *azuremsi.Options) { o.Algorithms = []string{"HS256"} },
		`azuremsi: tenant "contoso": "contoso" is not a GUID`: func(o *azuremsi.Options) {
			o.Tenants = map[string]azuremsi.TenantCredentials{"contoso": {}}
		},
		`azuremsi: tenant "` + tenantID + `": is there twice, in two spellings`: func(o *azuremsi.Options) {
			o.Tenants = map[string]azuremsi.TenantCredentials{tenantID: {}, strings.ToUpper(tenantID): {}}
		},
		`azuremsi: tenant "` + tenantID + `": subscription_id "mine" is not a GUID`:                   tenants(azuremsi.TenantCredentials{SubscriptionID: "mine"}),
		`azuremsi: tenant "` + tenantID + `": app_secret needs app_id and subscription_id`:            tenants(azuremsi.TenantCredentials{AppID: otherTenant, AppSecret: "s3cret"}),
		`azuremsi: tenant "` + tenantID + `": app_id needs app_secret or federated_token_file`:        tenants(azuremsi.TenantCredentials{AppID: otherTenant, SubscriptionID: subscription}),
		`azuremsi: tenant "` + tenantID + `": federated_token_file needs app_id`:                      tenants(azuremsi.TenantCredentials{FederatedTokenFile: "f"}),
		`azuremsi: tenant "` + tenantID + `": app_secret and federated_token_file exclude each other`: tenants(azuremsi.TenantCredentials{AppID: otherTenant, SubscriptionID: subscription, AppSecret: "s3cret", FederatedTokenFile: "f"}),
	} {
		options := azuremsi.Options{Cloud: publicCloud(t)}
		change(&options)
		c, err := azuremsi.New(options)
		if err == nil || err.Error() != want || c != nil {
			t.Errorf("\n got %v\nwant %s", err, want)
		}
	}
}
