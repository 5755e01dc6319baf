package azure_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/azure"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestResourceGraph asks in the few ways that are answered, and in some that are
// not, for as long as the quota lasts.
func TestResourceGraph(t *testing.T) {
	cloud := azure.New()
	cloud.Manager.PutMachine(armcompute.VirtualMachine{ID: new(machineID), Name: new("Web-1"), Tags: map[string]*string{"a": new("b")}})
	cloud.Manager.PutMachine(armcompute.VirtualMachine{ID: new(machineID + "0"), Name: new("Web-10")})
	cloud.Manager.Hide(machineID + "0")
	machine := &azure.Machine{Cloud: cloud, Identity: entra.Machine{Tenant: tenant, Principal: "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a", ManagedIdentity: machineID}, Name: "Web-1"}
	token := tokenOf(t, machine)
	ask := func(query, options string) (int, http.Header, string) {
		body := fmt.Sprintf(`{"query": %q, "options": %s}`, query, options)
		request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "https://management.azure.com/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01", strings.NewReader(body))
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		cloud.ServeHTTP(answer, request)
		return answer.Code, answer.Header(), answer.Body.String()
	}
	const rows = `{"resultFormat": "objectArray", "$top": 1000}`
	byID := func(ids ...string) string {
		return "resources | where type =~ 'microsoft.compute/virtualmachines' | where id in~ ('" + strings.Join(ids, "', '") + "') | project id, name, location, zones, tags, identity, properties"
	}
	many := make([]string, 301)
	for i := range many {
		many[i] = machineID
	}
	for i, tc := range []struct {
		name, query, options string
		status               int
		body                 string
	}{
		{"known", byID(strings.ToUpper(machineID)), rows, http.StatusOK, `"name":"Web-1"`},
		{"not known yet", byID(machineID + "0"), rows, http.StatusOK, `"data":[]`},
		{"another question", "resources | limit 1", rows, http.StatusBadRequest, "InvalidQuery"},
		{"a quote in an ID", byID("a'b"), rows, http.StatusBadRequest, "InvalidQuery"},
		{"a table", byID(machineID), `{"resultFormat": "table", "$top": 1000}`, http.StatusBadRequest, "InvalidOptions"},
		{"a large page", byID(machineID), `{"resultFormat": "objectArray", "$top": 1001}`, http.StatusBadRequest, "InvalidOptions"},
		{"many", byID(many...), rows, http.StatusBadRequest, "QueryTooLong"},
	} {
		status, header, body := ask(tc.query, tc.options)
		if status != tc.status || !strings.Contains(body, tc.body) || header.Get("x-ms-user-quota-remaining") != fmt.Sprint(14-i) {
			t.Errorf("%s: got %d %v %s", tc.name, status, header, body)
		}
	}
	for range 8 {
		ask(byID(machineID), rows)
	}
	status, header, _ := ask(byID(machineID), rows)
	if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || header.Get("x-ms-user-quota-remaining") != "0" {
		t.Errorf("the sixteenth: got %d %v", status, header)
	}
}

// tokenOf is a machine's token for Resource Manager.
func tokenOf(t *testing.T, machine *azure.Machine) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/", nil)
	request.Header.Set("Metadata", "true")
	recorded := httptest.NewRecorder()
	machine.ServeHTTP(recorded, request)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(recorded.Body.Bytes(), &answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("%v: %s", err, recorded.Body)
	}
	return answer.AccessToken
}
