package azure

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// login answers as the authority. What is there for all tenants is the Authority's;
// here is what an application needs that logs in.
func (c *Cloud) login(w http.ResponseWriter, r *http.Request) {
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	base := "https://" + r.Host
	switch {
	case r.URL.Path == "/common/discovery/instance":
		answer(w, http.StatusOK, map[string]any{
			"tenant_discovery_endpoint": r.URL.Query().Get("authorization_endpoint"),
			"metadata": []any{map[string]any{
				"preferred_network": LoginHost, "preferred_cache": LoginHost, "aliases": []string{LoginHost},
			}},
		})
	case tenant != "common" && rest == "v2.0/.well-known/openid-configuration":
		answer(w, http.StatusOK, map[string]any{
			"issuer":                 base + "/" + tenant + "/v2.0",
			"token_endpoint":         base + "/" + tenant + "/oauth2/v2.0/token",
			"authorization_endpoint": base + "/" + tenant + "/oauth2/v2.0/authorize",
		})
	case tenant != "common" && rest == "oauth2/v2.0/token":
		c.clientCredentials(w, r, tenant)
	default:
		c.Authority.ServeHTTP(w, r)
	}
}

// clientCredentials gives an application a token for its secret.
func (c *Cloud) clientCredentials(w http.ResponseWriter, r *http.Request, tenant string) {
	if r.Method != http.MethodPost || r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		refuseLogin(w, http.StatusBadRequest, "invalid_request")
		return
	}
	app := App{Tenant: strings.ToLower(tenant), ID: strings.ToLower(r.PostForm.Get("client_id"))}
	c.mu.Lock()
	secret, known := c.secrets[app]
	c.mu.Unlock()
	if !known || subtle.ConstantTimeCompare([]byte(secret), []byte(r.PostForm.Get("client_secret"))) != 1 {
		refuseLogin(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	// A scope is of the form AUDIENCE/.default, beside those of OpenID Connect.
	audience := ""
	for _, scope := range strings.Fields(r.PostForm.Get("scope")) {
		if resource, ok := strings.CutSuffix(scope, "/.default"); ok {
			audience = resource
		}
	}
	if audience == "" {
		refuseLogin(w, http.StatusBadRequest, "invalid_scope")
		return
	}
	token := c.grant("app "+app.ID, audience, c.Token(entra.Machine{Tenant: app.Tenant, Principal: app.ID, Audience: audience}))
	answer(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token,
	})
}

func refuseLogin(w http.ResponseWriter, status int, code string) {
	answer(w, status, map[string]any{"error": code, "error_description": "AADSTS: " + code})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // of a peer that went away
}
