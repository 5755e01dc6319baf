package attestor

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// sampleGUID shows what IDs look like, and is the tenant of an imaginary node.
const sampleGUID = "9e85e111-1103-48fc-a933-9533fe47de05"

var guidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// lowerGUID returns the one form of a GUID that is compared.
func lowerGUID(text string) (string, bool) {
	lower := strings.ToLower(text)
	return lower, guidPattern.MatchString(lower)
}

const signatureAlgorithmWanted = "must be RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or ES512"

func isSignatureAlgorithm(name string) bool {
	return slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}, name)
}

// pathTemplate parses agent_path_template, and tries it with an imaginary node;
// nil when there is none. Its errors show parts of the template, which is no place
// for secrets.
func (c azureMSIConfig) pathTemplate() (*agentpath.Template, error) {
	template, err := pathTemplate(c.AgentPathTemplate, "azure_msi", "PrincipalID", azurePathValues(azuremsi.Claims{
		TenantID:    sampleGUID,
		PrincipalID: "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a",
		Issuer:      "https://sts.windows.net/" + sampleGUID + "/",
	}))
	if err == nil && template != nil && template.NeedsTags() {
		return nil, errors.New("has .Tags, which azure_msi does not have")
	}
	return template, err
}

// azurePathValues are the fields that a template sees, as SPIRE's built-in names
// them. Of those that it has beside, .ID is never set, and .Audience, .Expiry,
// .NotBefore and .IssuedAt are another token's next time: they are left out, so
// that a template with them is told so when it is configured. The built-in's
// .Subject is always empty by mistake.
func azurePathValues(claims azuremsi.Claims) map[string]string {
	return map[string]string{
		"TenantID":    claims.TenantID,
		"PrincipalID": claims.PrincipalID,
		"Subject":     claims.PrincipalID,
		"Issuer":      claims.Issuer,
	}
}
