package azure_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/azure"
)

const (
	machineID = "/subscriptions/0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11/resourceGroups/Web-RG/providers/Microsoft.Compute/virtualMachines/Web-1"
	appSecret = "hush"
)

// TestManager logs in with an application's secret and reads a machine, through
// Azure's own names.
func TestManager(t *testing.T) {
	cloud := azure.New()
	app := azure.App{Tenant: tenant, ID: "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9"}
	cloud.Register(app, appSecret)
	cloud.Manager.PutMachine(armcompute.VirtualMachine{ID: new(machineID), Name: new("Web-1")})
	site, err := azure.Serve(t.Context(), cloud)
	if err != nil {
		t.Fatal(err)
	}
	client := through(t, azure.Proxy{Site: site})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(site.Certificate)
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}

	login := func(secret, scope string) (status int, token string) {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ID}, "client_secret": {secret}, "scope": {scope}}
		response, err := client.PostForm("https://login.microsoftonline.com/"+tenant+"/oauth2/v2.0/token", form)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var answer struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, answer.AccessToken
	}
	read := func(path, token string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://management.azure.com"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, token := login("wrong", "https://management.azure.com/.default"); status != http.StatusUnauthorized || token != "" {
		t.Errorf("a wrong secret: %d %q", status, token)
	}
	_, graph := login(appSecret, "https://graph.microsoft.com/.default")
	_, good := login(appSecret, "https://management.azure.com/.default")
	for _, tc := range []struct {
		name, path, token string
		status            int
		body              string
	}{
		{"good", machineID + "?api-version=2024-11-01", good, http.StatusOK, `"name":"Web-1"`},
		{"another case", strings.ToLower(strings.TrimSuffix(machineID, "Web-1")) + "WEB-1?api-version=2024-11-01", good, http.StatusBadRequest, ""},
		{"no token", machineID + "?api-version=2024-11-01", "", http.StatusUnauthorized, "InvalidAuthenticationToken"},
		{"token for another", machineID + "?api-version=2024-11-01", graph, http.StatusUnauthorized, "InvalidAuthenticationToken"},
		{"no version", machineID, good, http.StatusBadRequest, "MissingApiVersionParameter"},
		{"unknown machine", machineID + "0?api-version=2024-11-01", good, http.StatusNotFound, "ResourceNotFound"},
		{"unknown kind", machineID + "/extensions?api-version=2024-11-01", good, http.StatusNotFound, "InvalidResourceType"},
	} {
		if status, body := read(tc.path, tc.token); status != tc.status || !strings.Contains(body, tc.body) {
			t.Errorf("%s: got %d %s, want %d %s", tc.name, status, body, tc.status, tc.body)
		}
	}
	// All with a good token that name a machine, whatever their answer.
	calls := cloud.Manager.Calls()
	want := azure.Call{Operation: "VirtualMachinesClient.Get", Path: strings.ToLower(machineID), Caller: "app " + app.ID}
	if len(calls) != 4 || calls[0] != want {
		t.Errorf("calls %+v, want 4, the first %+v", calls, want)
	}
}
