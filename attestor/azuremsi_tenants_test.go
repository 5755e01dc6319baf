package attestor

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestAzureTenantFromPolicyData: a security team adds a tenant beside its
// policies, and SPIRE's configuration does not change.
func TestAzureTenantFromPolicyData(t *testing.T) {
	dir := policyDir(t.TempDir())
	const data = "gatehouse/azure_msi/data.json"
	dir.write(t, data, `{"tenants": {}}`)
	config := `
tenants { "dd14e835-679a-4703-b4de-8f00a20c732e" {} }
policy { directory = "` + string(dir) + `" }`

	s := newAzureScene(t)
	s.configure(t, config)
	token := azurePayload(t, s.vm().Sign())
	if _, err := s.attest(t, token); status.Code(err) != codes.PermissionDenied {
		t.Fatalf("a tenant that nobody named: %v", err)
	}
	dir.write(t, data, `{"tenants": {"`+azureTenant+`": {}}}`)
	s.logs.next(t, "Policy revision took over")
	got, err := s.attest(t, token)
	if err != nil || got.SpiffeId != azureAgentID {
		t.Errorf("with the tenant in policy data: %v, %v", got, err)
	}
}
