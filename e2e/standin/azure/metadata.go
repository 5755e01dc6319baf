package azure

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// A Machine is what its instance metadata service knows. The service answers as
// https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service and
// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
// document it: requests without the Metadata header, through proxies that leave
// their mark, or with parameters that it doesn't know are refused.
type Machine struct {
	Cloud *Cloud

	// Identity is what the machine's tokens say, but for their audience.
	Identity entra.Machine

	// Change, unless nil, changes the tokens before they are signed.
	Change func(entra.Token) entra.Token

	// Resources are what tokens can be for, beside Resource Manager.
	Resources []string

	Name, SubscriptionID, ResourceGroup string
}

// ServeHTTP implements http.Handler.
func (m *Machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case err != nil:
		refuseMetadata(w, http.StatusBadRequest, "invalid_request", "malformed query")
	case r.Header.Get("X-Forwarded-For") != "":
		refuseMetadata(w, http.StatusBadRequest, "invalid_request", "X-Forwarded-For is not allowed")
	case !strings.EqualFold(r.Header.Get("Metadata"), "true"):
		refuseMetadata(w, http.StatusBadRequest, "invalid_request", "Required metadata header not specified")
	case r.Method != http.MethodGet:
		refuseMetadata(w, http.StatusMethodNotAllowed, "method_not_allowed", r.Method)
	case r.URL.Path == "/metadata/identity/oauth2/token":
		m.token(w, query)
	case r.URL.Path == "/metadata/instance":
		m.instance(w, query)
	default:
		refuseMetadata(w, http.StatusNotFound, "not_found", r.URL.Path)
	}
}

// token gives a token out.
func (m *Machine) token(w http.ResponseWriter, query url.Values) {
	if err := checkQuery(query, "2018-02-01", "resource"); err != nil {
		refuseMetadata(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	resource := query.Get("resource")
	if !isManager(resource) && !slices.Contains(m.Resources, resource) {
		refuseMetadata(w, http.StatusBadRequest, "invalid_resource", "AADSTS500011: the resource principal was not found")
		return
	}
	identity := m.Identity
	identity.Audience = resource
	if !isManager(resource) { // then the claims that name a machine are not there
		identity.ManagedIdentity, identity.AzureResource = "", ""
	}
	token := m.Cloud.Token(identity)
	if m.Change != nil {
		token = m.Change(token)
	}
	text := m.Cloud.grant("machine "+m.Name, resource, token)
	now := time.Now()
	answer(w, http.StatusOK, map[string]any{
		"access_token": text, "token_type": "Bearer", "resource": resource,
		"expires_in": "86399", "ext_expires_in": "86399",
		"expires_on": strconv.FormatInt(now.Add(24*time.Hour).Unix(), 10),
		"not_before": strconv.FormatInt(now.Unix(), 10),
	})
}

// instance says what the machine is.
func (m *Machine) instance(w http.ResponseWriter, query url.Values) {
	if err := checkQuery(query, "2025-04-07", "format"); err != nil {
		refuseMetadata(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]any{"compute": map[string]any{
		"name": m.Name, "subscriptionId": m.SubscriptionID, "resourceGroupName": m.ResourceGroup, "vmScaleSetName": "",
	}})
}

// checkQuery asks for exactly an API version and one more parameter, once each.
// The service knows many versions; the one here is what its users ask for.
func checkQuery(query url.Values, version, parameter string) error {
	if query.Get("api-version") != version {
		return fmt.Errorf("api-version is invalid or was not specified: %q", query.Get("api-version"))
	}
	if query.Get(parameter) == "" {
		return fmt.Errorf("%s is missing", parameter)
	}
	for name, values := range query {
		if name != "api-version" && name != parameter || len(values) != 1 {
			return fmt.Errorf("parameter %s is not known, or is there twice", name)
		}
	}
	return nil
}

func refuseMetadata(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]any{"error": code, "error_description": description})
}
