package attestor

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

func TestAttestAzureRefuses(t *testing.T) {
	vmID := strings.ToLower(azureVM)
	for name, tc := range map[string]struct {
		config string // azureConfig if empty
		scene  func(*azureScene)
		token  func(*azureScene) entra.Token // the usual machine's if nil
		code   codes.Code
		class  string
		reason string
		calls  int
	}{
		"signed by nobody who may": {
			token: func(s *azureScene) entra.Token {
				s.authority.Publish(entra.NewKey("key-a"))
				return s.vm()
			},
			code: codes.InvalidArgument, class: "bad_evidence", reason: `verify: key "key-a": the signature is not its`,
		},
		"expired": {
			token: func(s *azureScene) entra.Token {
				return s.authority.Issue(azureKey(), entra.Machine{Tenant: azureTenant, Principal: azurePrincipal}, time.Unix(1_700_000_000, 0))
			},
			code: codes.InvalidArgument, class: "bad_evidence",
		},
		"authority is down": {
			scene: func(s *azureScene) { s.authority.Stop() },
			code:  codes.Unavailable, class: "unavailable",
		},
		"another tenant": {
			token: func(s *azureScene) entra.Token {
				return s.vm(func(m *entra.Machine) { m.Tenant = otherAzureTenant })
			},
			code: codes.PermissionDenied, class: "denied",
			reason: "resource_id: the token is for https://management.azure.com/, not for <undefined>; " +
				"tenant: tenant " + otherAzureTenant + " is not configured, in plugin_data or (once) in policy data",
		},
		"another audience": {
			token: func(s *azureScene) entra.Token {
				return s.vm(func(m *entra.Machine) { m.Audience = "https://management.azure.com" })
			},
			code: codes.PermissionDenied, class: "denied",
			reason: "resource_id: the token is for https://management.azure.com, not for https://management.azure.com/",
		},
		"a user": {
			token: func(s *azureScene) entra.Token {
				return s.vm().With("idtyp", "user").With("scp", "user_impersonation")
			},
			code: codes.PermissionDenied, class: "denied",
			reason: "token_kind: the token of principal " + azurePrincipal + ` is not an application's: idtyp user, scp ["user_impersonation"], oid ` + azurePrincipal,
		},
		"an application registration": {
			token: func(s *azureScene) entra.Token { return s.vm().Without("xms_mirid") },
			code:  codes.PermissionDenied, class: "denied",
			reason: "token_kind: the token of principal " + azurePrincipal + " for https://management.azure.com/ is not a machine's: xms_mirid <undefined>, xms_az_rid <undefined>",
		},
		"a container": {
			token: func(s *azureScene) entra.Token {
				return s.vm(func(m *entra.Machine) {
					m.ManagedIdentity = strings.ReplaceAll(azureVM, "Microsoft.Compute/virtualMachines", "Microsoft.ContainerInstance/containerGroups")
				})
			},
			code: codes.PermissionDenied, class: "denied",
		},
		"replay costs no call": {
			scene: func(s *azureScene) { s.store.add(azureAgentID) },
			code:  codes.PermissionDenied, class: "denied",
			reason: "tofu: agent " + azureAgentPath + " has attested before; evict it to let the machine attest again",
		},
		"the machine is gone": {
			scene: func(s *azureScene) { delete(s.manager.answers, "GET "+vmID) },
			code:  codes.PermissionDenied, class: "denied",
			reason: "virtual_machine: machine " + vmID + " of principal " + azurePrincipal + " is not there, or doesn't hold the token's identity",
			calls:  1,
		},
		"a machine made anew under the old name": {
			scene: func(s *azureScene) {
				s.manager.answers["GET "+vmID].(map[string]any)["identity"] = map[string]any{"principalId": azureApp}
			},
			code: codes.PermissionDenied, class: "denied",
			reason: "virtual_machine: machine " + vmID + " of principal " + azurePrincipal + " is not there, or doesn't hold the token's identity",
			calls:  1,
		},
		"Resource Manager refuses": {
			scene: func(s *azureScene) { s.manager.status = http.StatusForbidden },
			code:  codes.Unavailable, class: "unavailable",
			reason: "gather: fact network: read " + vmID + ": answered 403 (Refused); fact virtual_machine: read " + vmID + ": answered 403 (Refused)",
			calls:  1,
		},
		"another subscription": {
			config: `tenants { "` + azureTenant + `" { subscription_id = "` + azureApp + `" } }`,
			code:   codes.PermissionDenied, class: "denied",
			reason: "subscription: machine " + vmID + " is in subscription " + azureSub + ", not in " + azureApp,
		},
		"no credential where one is expected": {
			config: `tenants { "` + azureTenant + `" { subscription_id = "` + azureSub + `" } }`,
			scene:  func(s *azureScene) { s.noCredential = true },
			code:   codes.PermissionDenied, class: "denied",
			reason: "virtual_machine: machine " + vmID + " of principal " + azurePrincipal + " can't be looked up: there is no Azure credential, though one is expected",
		},
		"an API of one's own: no machine has the principal": {
			config: `tenants { "` + azureTenant + `" { resource_id = "api://gatehouse" } }`,
			scene: func(s *azureScene) {
				s.manager.answers["POST /providers/microsoft.resourcegraph/resources"] = map[string]any{"data": []any{}}
			},
			token: (*azureScene).nameless,
			code:  codes.PermissionDenied, class: "denied",
			reason: "virtual_machine: machine <undefined> of principal " + azurePrincipal + " is not there, or doesn't hold the token's identity",
			calls:  1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, token := arrangeAzure(t, tc.config, tc.scene, tc.token)
			signed := token.Sign()
			_, err := s.attest(t, azurePayload(t, signed))
			if status.Code(err) != tc.code {
				t.Fatalf("got code %v (%v), want %v", status.Code(err), err, tc.code)
			}
			if s.manager.asked() != tc.calls {
				t.Errorf("Resource Manager was asked %q, want %d calls", s.manager.calls, tc.calls)
			}
			line := s.refusal(t)
			if line["outcome"] != tc.class {
				t.Errorf("logged outcome %v, want %v", line["outcome"], tc.class)
			}
			if tc.reason != "" && line["reason"] != tc.reason {
				t.Errorf("logged reason\n%q, want\n%q", line["reason"], tc.reason)
			}
			// A token is a bearer credential for as long as it holds.
			if text := strings.ReplaceAll(asText(t, s.logs.all())+err.Error(), `\n`, ""); strings.Contains(text, signed[:40]) || strings.Contains(text, signed[len(signed)-40:]) {
				t.Errorf("the token is in the log: %s", text)
			}
		})
	}
}

func asText(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
