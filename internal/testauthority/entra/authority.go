// Package entra is a stand-in for Entra ID, the authority that signs Azure's
// access tokens. It publishes discovery documents and keys as the real one does,
// and really signs.
//
// Start with [New]. An Authority is an http.Handler, to be served over TLS, and an
// http.RoundTripper that answers without a network, for any host. Sign makes
// tokens, good and bad ones: what it signs is the caller's.
//
// It shares no code with the verifier, so that a mistake is not made twice.
package entra

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// ConsumerTenant is the tenant that personal Microsoft accounts are in. Keys for its
// tokens are in Microsoft's set for all tenants, scoped to its issuer.
const ConsumerTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// Authority is safe for concurrent use.
type Authority struct {
	// Host is the URL that discovery documents name, without a slash at the end.
	Host string

	// IssuerV1 and IssuerV2 are the templates that they publish.
	IssuerV1, IssuerV2 string

	mu       sync.Mutex
	keys     []Key
	override map[string]http.HandlerFunc
	requests map[string]int
}

// New returns an authority that answers as Microsoft's public cloud.
func New(keys ...Key) *Authority {
	return &Authority{
		Host:     "https://login.microsoftonline.com",
		IssuerV1: "https://sts.windows.net/{tenantid}/",
		IssuerV2: "https://login.microsoftonline.com/{tenantid}/v2.0",
		keys:     keys,
		override: map[string]http.HandlerFunc{},
		requests: map[string]int{},
	}
}

// Paths of what is published, by token version.
const (
	DiscoveryV1 = "/common/.well-known/openid-configuration"
	DiscoveryV2 = "/common/v2.0/.well-known/openid-configuration"
	KeysV1      = "/common/discovery/keys"
	KeysV2      = "/common/discovery/v2.0/keys"
)

// Publish replaces the keys.
func (a *Authority) Publish(keys ...Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = keys
}

// Answer answers a path in another way; nil stops that.
func (a *Authority) Answer(path string, handler http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.override[path] = handler
}

// Stop makes every answer an error, Start ends that.
func (a *Authority) Stop() {
	for _, path := range []string{DiscoveryV1, DiscoveryV2, KeysV1, KeysV2} {
		a.Answer(path, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
		})
	}
}

// Start answers as usual.
func (a *Authority) Start() {
	for _, path := range []string{DiscoveryV1, DiscoveryV2, KeysV1, KeysV2} {
		a.Answer(path, nil)
	}
}

// Requests is how often a path was asked for.
func (a *Authority) Requests(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[path]
}

// ServeHTTP implements http.Handler.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests[r.URL.Path]++
	override, keys, host, v1, v2 := a.override[r.URL.Path], a.keys, a.Host, a.IssuerV1, a.IssuerV2
	a.mu.Unlock()
	if override != nil {
		override(w, r)
		return
	}
	switch r.URL.Path {
	case DiscoveryV1:
		answer(w, map[string]any{"issuer": v1, "jwks_uri": host + KeysV1, "token_endpoint": host + "/common/oauth2/token"})
	case DiscoveryV2:
		answer(w, map[string]any{"issuer": v2, "jwks_uri": host + KeysV2, "token_endpoint": host + "/common/oauth2/v2.0/token"})
	case KeysV1: // has no issuers
		answer(w, Set(keys, false))
	case KeysV2:
		answer(w, Set(keys, true))
	default:
		http.NotFound(w, r)
	}
}

// RoundTrip implements http.RoundTripper.
func (a *Authority) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	a.ServeHTTP(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// Serve starts a server with TLS, which the caller closes. Afterwards the
// authority's documents name it.
func (a *Authority) Serve() *httptest.Server {
	server := httptest.NewUnstartedServer(a)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of those who don't trust it
	server.StartTLS()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Host = server.URL
	return server
}

// Set is a JSON Web Key Set of keys, with or without the issuers that they are
// scoped to.
func Set(keys []Key, issuers bool) map[string]any {
	list := []map[string]any{}
	for _, key := range keys {
		list = append(list, key.jwk(issuers))
	}
	return map[string]any{"keys": list}
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(fmt.Sprintf("entra: %v", err))
	}
}

// Issuer is the issuer of a tenant's tokens of a version, "1.0" or "2.0".
func (a *Authority) Issuer(version, tenant string) string {
	template := a.IssuerV1
	if version == "2.0" {
		template = a.IssuerV2
	}
	return strings.ReplaceAll(template, "{tenantid}", tenant)
}
