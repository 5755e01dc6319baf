package attestor

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
	"github.com/spire-gatehouse/gatehouse/tofu"
)

// FuzzPeer: whatever is in the metadata, an address is one that can be written and
// read again, or there is none.
func FuzzPeer(f *testing.F) {
	for _, text := range []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", "192.0.2.1:443", "", "192.0.2.1, 192.0.2.2", "\x00"} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		one := peerIP(metadata.NewIncomingContext(t.Context(), metadata.MD{clientIPKey: {first}}))
		if one.IsValid() && (one.Zone() != "" || one.Is4In6() || one.String() == "") {
			t.Errorf("%q is %v", first, one)
		}
		if two := peerIP(metadata.NewIncomingContext(t.Context(), metadata.MD{clientIPKey: {first, second}})); two.IsValid() {
			t.Errorf("%q and %q are %v", first, second, two)
		}
	})
}

// nobodyAttested is SPIRE's datastore of a server without agents.
type nobodyAttested struct{}

func (nobodyAttested) GetAgentInfo(context.Context, *agentstorev1.GetAgentInfoRequest, ...grpc.CallOption) (*agentstorev1.GetAgentInfoResponse, error) {
	return nil, status.Error(codes.NotFound, "agent not found")
}

// fuzzed is a plugin without gRPC, which would take most of the time. Its claims
// don't last, so that one machine can be let in again.
func fuzzed(f *testing.F, kind Kind, config string) *snapshot {
	f.Helper()
	p := New(within(testwait.Patience, kind))
	p.agents = tofu.New(nobodyAttested{})
	loaded, err := p.load(f.Context(), configure(config), false)
	if err != nil {
		f.Fatal(err)
	}
	loaded.snapshot.claims = tofu.NewMemory(nil).Claims(0)
	return loaded.with(loaded.policy.follow(nil))
}

// decides attests, and returns the record of one who was let in. Whoever is not is
// refused for one of the reasons that a payload may be.
func decides(t *testing.T, s *snapshot, payload []byte) *record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	rec := newRecord(time.Now, s, meter{})
	err := attestSafely(ctx, s, rec, payload)
	if err == nil {
		return rec
	}
	r := asRefusal(ctx, err)
	if r.class != badEvidence && r.class != denied && r.class != unavailable || r.class == unavailable && !strings.Contains(r.Error(), "keys: ") {
		t.Errorf("%s: %v", r.class.name, r)
	}
	return nil
}

// FuzzAttestAWSIID takes payloads to decisions. AWS itself has signed the first,
// and nothing but its document may get in.
func FuzzAttestAWSIID(f *testing.F) {
	real, err := os.ReadFile("../testdata/evidence/aws-iid-us-west-2-rsa2048.json")
	if err != nil {
		f.Fatal(err)
	}
	var sent parts
	if err := json.Unmarshal(real, &sent); err != nil {
		f.Fatal(err)
	}
	const realAgent = "spiffe://example.org/spire/agent/aws_iid/278576220453/us-west-2/i-078517ca8a70a1dde"
	known := &attackedCloud{cloud: &cloud{instances: []ec2types.Instance{{
		InstanceId: aws.String("i-078517ca8a70a1dde"), State: &ec2types.InstanceState{Name: ec2types.InstanceStateNameRunning},
	}}}}
	s := fuzzed(f, attackedKind(known, nil), baseConfig)
	f.Add(real)
	f.Add([]byte(strings.Replace(string(real), "278576220453", "278576220454", 1)))
	f.Add([]byte(strings.Replace(string(real), "{", `{"Document":"",`, 1)))
	f.Add([]byte(`{"document":"{}","signature":"AA==","rsa2048":"MIAGCSqGSIb3DQEHAqCAMIACAQE="}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		rec := decides(t, s, payload)
		if rec == nil {
			return
		}
		var got parts
		if err := json.Unmarshal(payload, &got); err != nil || got.Document != sent.Document || rec.agentID != realAgent {
			t.Errorf("%s was let in by %q", rec.agentID, payload)
		}
	})
}

// FuzzAttestAzureMSI signs whatever header and claims it is given with the
// authority's key: whoever is let in is of the tenant, the audience and the
// principal that the claims name, once each.
func FuzzAttestAzureMSI(f *testing.F) {
	scene := &azureScene{authority: entra.New(azureKey()), manager: newAzureManager(), noCredential: true}
	s := fuzzed(f, scene.kind(), azureConfig)
	for _, token := range []entra.Token{
		scene.vm(), scene.vm().With("aud", []string{"a"}), scene.vm().Without("oid").With("sub", "a/b"), scene.vm().With("exp", nil),
		scene.vm().With("idtyp", "user"), scene.vm().WithHeader("b64", false), scene.vm().With("ver", "2.0"),
		scene.vm(func(m *entra.Machine) { m.ManagedIdentity = azureScaleSet }),
	} {
		header, claims := mustJSON(f, token.Header), mustJSON(f, token.Claims)
		f.Add(header, claims)
	}
	f.Fuzz(func(t *testing.T, header, claims []byte) {
		rec := decides(t, s, mustJSON(t, map[string]string{"token": entra.SignRaw(azureKey(), "RS256", header, claims)}))
		if rec == nil {
			return
		}
		var signed struct{ Tid, Aud, Oid, Sub string }
		if err := json.Unmarshal(claims, &signed); err != nil {
			t.Fatalf("let in: %s", claims)
		}
		principal := strings.TrimPrefix(rec.agentID, "spiffe://example.org/spire/agent/azure_msi/"+azureTenant+"/")
		if !strings.EqualFold(signed.Tid, azureTenant) || signed.Aud != entra.ResourceManager ||
			!strings.EqualFold(principal, signed.Oid) && principal != signed.Sub || strings.Contains(principal, "/") {
			t.Errorf("%s was let in by %s", rec.agentID, claims)
		}
	})
}

func mustJSON(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// FuzzConfigure: any plugin_data becomes a configuration or problems, of both
// plugins, and shows no secret.
func FuzzConfigure(f *testing.F) {
	for _, text := range []string{
		baseConfig, azureConfig, organization, `limits { max_concurrent = 1 }`, `policy { directory = "/nowhere" }`, `access_key_id = "a" secret_access_key = "s3cr3t"`,
		`agent_path_template = "/{{ .PluginName }}/{{ .InstanceID }}"`, `enforcement = { tofu = "warn" }`, `{`, `{"partition": "aws"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "agent_path_template") && strings.Contains(text, "{{") {
			return // a template may compute, for as long as an operator wants it to
		}
		o := plugindata.Parse(text)
		_ = decodeAWSIID(o, environment(nil))
		for _, problem := range o.Problems() {
			if problem.String() == "" {
				t.Error("an empty problem")
			}
		}
		_, _ = buildAzureMSI(text, environment(nil))
	})
}
