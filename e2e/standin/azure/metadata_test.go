package azure_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/azure"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

const (
	tenant    = "9e85e111-1103-48fc-a933-9533fe47de05"
	principal = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"
	goodQuery = "api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F"
)

// through is a client whose network is the proxy.
func through(t *testing.T, proxy azure.Proxy) *http.Client {
	t.Helper()
	listener, err := standin.Listen(t.Context(), proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)
	u, err := url.Parse(listener.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(u)}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestMetadata asks for a token in ways that the real service takes, and in ways
// that it does not.
func TestMetadata(t *testing.T) {
	machine := &azure.Machine{Cloud: azure.New(), Identity: entra.Machine{Tenant: tenant, Principal: principal}, Resources: []string{"api://gatehouse"}}
	client := through(t, azure.Proxy{Metadata: machine})
	for _, tc := range []struct {
		name, method, query string
		headers             map[string]string
		status              int
		code                string
	}{
		{name: "as SPIRE asks", query: goodQuery, status: http.StatusOK},
		{name: "application of one's own", query: "api-version=2018-02-01&resource=api%3A%2F%2Fgatehouse", status: http.StatusOK},
		{name: "without the header", query: goodQuery, headers: map[string]string{"Metadata": ""}, status: http.StatusBadRequest, code: "invalid_request"},
		{name: "forwarded", query: goodQuery, headers: map[string]string{"X-Forwarded-For": "10.0.0.1"}, status: http.StatusBadRequest, code: "invalid_request"},
		{name: "posted", method: http.MethodPost, query: goodQuery, status: http.StatusMethodNotAllowed, code: "method_not_allowed"},
		{name: "no version", query: strings.Replace(goodQuery, "api-version", "version", 1), status: http.StatusBadRequest, code: "invalid_request"},
		{name: "no resource", query: "api-version=2018-02-01", status: http.StatusBadRequest, code: "invalid_request"},
		{name: "two resources", query: goodQuery + "&resource=x", status: http.StatusBadRequest, code: "invalid_request"},
		{name: "unknown parameter", query: goodQuery + "&format=json", status: http.StatusBadRequest, code: "invalid_request"},
		{name: "unknown resource", query: "api-version=2018-02-01&resource=https%3A%2F%2Fexample.org", status: http.StatusBadRequest, code: "invalid_resource"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), tc.method, "http://169.254.169.254/metadata/identity/oauth2/token?"+tc.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Metadata", "true")
			for name, value := range tc.headers {
				request.Header.Set(name, value)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var answer struct {
				Error       string
				AccessToken string `json:"access_token"`
			}
			if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tc.status || answer.Error != tc.code || (answer.AccessToken != "") != (tc.status == http.StatusOK) {
				t.Errorf("got %s, %+v, want %d %s", response.Status, answer, tc.status, tc.code)
			}
		})
	}
}

// TestProxyReachesNobodyElse keeps programs from what is not the stand-in's.
func TestProxyReachesNobodyElse(t *testing.T) {
	site, err := azure.Serve(t.Context(), azure.New())
	if err != nil {
		t.Fatal(err)
	}
	machine := &azure.Machine{Cloud: azure.New()}
	for _, tc := range []struct {
		name, url string
		proxy     azure.Proxy
	}{
		{"another host", "http://example.org/", azure.Proxy{Metadata: machine, Site: site}},
		{"another host over TLS", "https://example.org/", azure.Proxy{Metadata: machine, Site: site}},
		{"no metadata service", "http://169.254.169.254/metadata/instance", azure.Proxy{Site: site}},
		{"no way to Azure", "https://management.azure.com/", azure.Proxy{Metadata: machine}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := through(t, tc.proxy).Do(request)
			if err == nil {
				response.Body.Close()
				t.Errorf("somebody answers: %s", response.Status)
			}
		})
	}
}
