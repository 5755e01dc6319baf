package e2e_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestAzureReplayRefused has a second agent attest on the machine of the first.
func TestAzureReplayRefused(t *testing.T) {
	t.Parallel()
	s := startAzure(t, azureSecret)
	vm := s.vm("Web-1", azurePrincipal)
	if _, err := s.agent(t, vm, "").Attested(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Manager.Forget()

	told, err := s.agent(t, vm, "").Refusal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.refusedReplay(t, told, azurePrincipal, firstAzureAgent())
	if calls := s.Manager.Calls(); len(calls) != 0 {
		t.Errorf("the replay cost calls: %+v", calls)
	}
}

// TestAzureSameInstant presents one token many times at once: one gets in.
func TestAzureSameInstant(t *testing.T) {
	t.Parallel()
	const holders = 20
	s := startAzure(t, azureSecret)
	payload := azurePayload(t, s.Token(s.vm("Web-1", azurePrincipal).Metadata.Identity))
	in := 0
	for _, err := range s.attestAll(t, holders, holders, func(int) []byte { return payload }) {
		if err == nil {
			in++
			continue
		}
		// While SPIRE has not stored the agent yet, the others are told to come back.
		if code := status.Code(err); code != codes.PermissionDenied && code != codes.Unavailable {
			t.Errorf("got %v", err)
		}
		if entry := s.refusal(t, status.Convert(err).Message()); entry.Field("rules") != "[tofu]" {
			t.Errorf("the server's log says %v", entry.Fields)
		}
	}
	if in != 1 {
		t.Errorf("%d of %d holders of one token got in", in, holders)
	}
	if got := s.agents(t); !reflect.DeepEqual(got, []spire.Agent{firstAzureAgent()}) {
		t.Errorf("agents: %+v", got)
	}
}

// azureForgeries change the first machine's token. But for the signature's they
// are signed with the authority's key.
func azureForgeries(s azureScene) []azureForgery {
	const (
		otherMachine = "/subscriptions/" + azureSubscription + "/resourceGroups/Web-RG/providers/Microsoft.Compute/virtualMachines/Other"
		graph        = "https://graph.microsoft.com/"
	)
	first := s.VM("Web-1", azurePrincipal).Metadata.Identity
	with := func(claim string, value any) func(entra.Token) entra.Token {
		return func(token entra.Token) entra.Token { return token.With(claim, value) }
	}
	without := func(claim string) func(entra.Token) entra.Token {
		return func(token entra.Token) entra.Token { return token.Without(claim) }
	}
	other := first
	other.Tenant = azureOtherTenant
	return []azureForgery{
		{"user", with("idtyp", "user"), codes.PermissionDenied, "[token_kind]", "not an application's"},
		{"user with scopes", with("scp", "user_impersonation"), codes.PermissionDenied, "[token_kind]", "not an application's"},
		{"application without a machine", without("xms_mirid"), codes.PermissionDenied, "[token_kind]", "not a machine's"},
		{"other audience", with("aud", graph), codes.PermissionDenied, "[resource_id]", graph},
		{"audience without a slash", with("aud", strings.TrimSuffix(entra.ResourceManager, "/")), codes.PermissionDenied, "[resource_id]", "not for"},
		{"several audiences", with("aud", []string{entra.ResourceManager, graph}), codes.InvalidArgument, "", "aud is not one string"},
		{"other tenant", func(entra.Token) entra.Token { return s.Token(other) }, codes.PermissionDenied, "[resource_id tenant]", azureOtherTenant + " is not configured"},
		{"other tenant's issuer", with("iss", s.Authority.Issuer("1.0", azureOtherTenant)), codes.InvalidArgument, "", "issuer"},
		{"other tenant with its issuer of ours", with("tid", azureOtherTenant), codes.InvalidArgument, "", "issuer"},
		{"version 1.0 with the issuer of 2.0", with("iss", s.Authority.Issuer("2.0", azureTenant)), codes.InvalidArgument, "", "issuer"},
		{"never expires", without("exp"), codes.InvalidArgument, "", "exp"},
		{"never issued", without("iat"), codes.InvalidArgument, "", "iat"},
		{"without a beginning", without("nbf"), codes.InvalidArgument, "", "nbf"},
		{"expired", with("exp", 1), codes.InvalidArgument, "", "exp"},
		{"slash in the subject", with("sub", "a/b"), codes.InvalidArgument, "", "sub"},
		{"other machine", with("xms_mirid", otherMachine), codes.PermissionDenied, "[virtual_machine]", "doesn't hold the token's identity"},
		{"two machines", with("xms_az_rid", otherMachine), codes.InvalidArgument, "", "name different resources"},
		{"unlisted algorithm", func(token entra.Token) entra.Token { return token.WithHeader("alg", "RS512") }, codes.InvalidArgument, "", "RS512"},
		{"key in the header", func(token entra.Token) entra.Token {
			token.Key = entra.NewKey("mine")
			return token.WithHeader("kid", "mine").WithHeader("jku", "https://evil.example.org/keys")
		}, codes.InvalidArgument, "", "jku"},
		{"signed with a key of one's own", func(token entra.Token) entra.Token {
			token.Key = entra.NewKey("mine")
			return token
		}, codes.InvalidArgument, "", "signature"},
	}
}

type azureForgery struct {
	name   string
	change func(entra.Token) entra.Token
	code   codes.Code
	rules  string
	reason string // part of it
}

// TestAzureRefusals sends what must not get in, and reads what the agent is told
// and what the operator: the code, and one line with the reason.
func TestAzureRefusals(t *testing.T) {
	t.Parallel()
	s := startAzure(t, azureSecret)
	vm := s.vm("Web-1", azurePrincipal)
	s.vm("Other", "99999999-8888-4777-8666-555555555555")
	good := s.Token(vm.Metadata.Identity)
	for _, tc := range azureForgeries(s) {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s.attest(t, tc.change(good))
			if status.Code(err) != tc.code {
				t.Fatalf("got %v, want %s", err, tc.code)
			}
			told := status.Convert(err).Message()
			entry := s.refusal(t, told)
			if entry.Field("rules") != tc.rules || !strings.Contains(entry.Field("reason"), tc.reason) {
				t.Errorf("the server's log says rules=%s %s; want rules=%s and %q", entry.Field("rules"), entry.Field("reason"), tc.rules, tc.reason)
			}
			if lines := s.refusals(told); len(lines) != 1 {
				t.Errorf("%d lines about it: %q", len(lines), lines)
			}
			if strings.Contains(told, tc.reason) && tc.reason != "" {
				t.Errorf("the agent learns the reason: %q", told)
			}
		})
	}
	// The token that all of them were made of is good.
	svid, err := s.attest(t, good)
	if err != nil || svid.ID != firstAzureAgent().ID {
		t.Errorf("the good token: %+v, %v", svid, err)
	}
	if got := s.agents(t); !reflect.DeepEqual(got, []spire.Agent{firstAzureAgent()}) {
		t.Errorf("agents: %+v", got)
	}
}

// TestAzureManagerDown has an agent try again by itself, and get in.
func TestAzureManagerDown(t *testing.T) {
	t.Parallel()
	s := startAzure(t, azureSecret)
	s.Manager.Break(http.StatusForbidden)
	agent := s.agent(t, s.vm("Web-1", azurePrincipal), "")
	told, err := agent.Refusal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(told, "code = Unavailable") {
		t.Errorf("with Resource Manager refusing, the agent is told %q", told)
	}
	if entry := s.refusal(t, told); entry.Field("outcome") != "unavailable" || !strings.Contains(entry.Field("reason"), "answered 403 (Broken)") {
		t.Errorf("the server's log says %v", entry.Fields)
	}
	s.Manager.Break(0)
	if _, err := agent.Attested(t.Context()); err != nil {
		t.Errorf("with Resource Manager back: %v", err)
	}
	if got := s.agents(t); !reflect.DeepEqual(got, []spire.Agent{firstAzureAgent()}) {
		t.Errorf("agents: %+v", got)
	}
}

// TestAzureSecretsAreNotLogged looks for credentials and tokens in all that the
// server, the plugin and the agent log, at level debug, about an accept and
// refusals.
func TestAzureSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	s := startAzure(t, azureSecret)
	vm := s.vm("Web-1", azurePrincipal)
	agent := s.agent(t, vm, "")
	if _, err := agent.Attested(t.Context()); err != nil {
		t.Fatal(err)
	}
	token := s.Token(vm.Metadata.Identity)
	sent := []entra.Token{token, token.With("aud", "https://graph.microsoft.com/"), token.With("iss", "https://evil.example.org")}
	for i, want := range []codes.Code{codes.PermissionDenied, codes.PermissionDenied, codes.InvalidArgument} {
		_, err := s.attest(t, sent[i])
		if status.Code(err) != want {
			t.Fatalf("token %d: got %v, want %s", i, err, want)
		}
		s.refusal(t, status.Convert(err).Message()) // until it is logged
	}
	log := strings.Join(append(s.server.Log.Lines(0), agent.Log.Lines(0)...), "\n")
	if strings.Count(log, "Node attestation refused") != len(sent) || !strings.Contains(log, "Node attested") {
		t.Fatal("the log lacks what it should have")
	}
	secrets := map[string]string{"app_secret": stage.AppSecret, "a token's header and claims": "eyJ"}
	for _, token := range sent {
		secrets["a signature"] = token.Sign()[len(token.Sign())-60:]
		for name, secret := range secrets {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds %s", name)
			}
		}
	}
}
