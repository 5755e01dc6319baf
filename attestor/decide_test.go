package attestor

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// instanceFacts are facts of the machine of payload.
func instanceFacts() map[string]json.RawMessage {
	return map[string]json.RawMessage{
		"instance": json.RawMessage(`{
			"id": "i-0b22a22eec53b9321", "state": "running",
			"tags": {"Name": "blog"}, "security_groups": [],
			"network_interfaces": [], "block_devices": []
		}`),
		"instance_profile": json.RawMessage(`null`),
	}
}

func yes() *bool { b := true; return &b }

func sample(t *testing.T, plugin, name string) *rego.Input {
	t.Helper()
	samples, err := policies.Samples(plugin)
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(samples, name)
	if err != nil {
		t.Fatal(err)
	}
	in, err := rego.DecodeInput(text)
	if err != nil {
		t.Fatal(err)
	}
	return &in
}

// changed is a sample with a change.
func changed(t *testing.T, name string, change func(*rego.Input)) *rego.Input {
	t.Helper()
	in := sample(t, "aws_iid", name)
	change(in)
	return in
}

func loadAWS(t *testing.T, kind Kind, text string) *Configuration {
	t.Helper()
	config, err := Load(t.Context(), kind, "example.org", text, func() time.Time { return time.Unix(1, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestDecide(t *testing.T) {
	const (
		agent       = "spiffe://example.org/spire/agent/aws_iid/"
		sampleAgent = agent + "123456789012/us-west-2/i-0123456789abcdef0"
	)
	good := payload(t, nil)
	tampered := payload(t, func(fields map[string]string) {
		fields["document"] = strings.Replace(fields["document"], "i-0b22a22eec53b9321", "i-0b22a22eec53b9322", 1)
	})
	config := `skip_block_device = true`
	for name, tc := range map[string]struct {
		config  string
		q       Case
		outcome string
		reason  string // its beginning
		agent   string
	}{
		"payload and facts": {config, Case{Payload: good, Facts: instanceFacts()}, "attested", "", agent + "123456789012/us-west-2/i-0b22a22eec53b9321"},
		"payload and cloud": {config + "\ndisable_instance_profile_selectors = true", Case{Payload: good, Live: true}, "attested", "", agent + "123456789012/us-west-2/i-0b22a22eec53b9321"},
		"payload alone": {
			config, Case{Payload: good}, "unavailable",
			"gather: fact instance: it is not given; fact instance_profile: it is not given", agent + "123456789012/us-west-2/i-0b22a22eec53b9321",
		},
		"payload, attested before": {
			config, Case{Payload: good, Attested: yes()}, "denied",
			"tofu: agent /spire/agent/aws_iid/", agent + "123456789012/us-west-2/i-0b22a22eec53b9321",
		},
		"tampered payload": {config, Case{Payload: tampered, Facts: instanceFacts()}, "bad_evidence", "verify: ", ""},

		"input":                 {"", Case{Recorded: sample(t, "aws_iid", "first_use.json")}, "attested", "", sampleAgent},
		"replay":                {"", Case{Recorded: sample(t, "aws_iid", "replay.json")}, "denied", "tofu: ", sampleAgent},
		"replay, evicted since": {"", Case{Recorded: sample(t, "aws_iid", "replay.json"), Attested: new(bool)}, "attested", "", sampleAgent},
		"claimed then": {"", Case{Recorded: changed(t, "first_use.json", func(in *rego.Input) { in.Tofu.Claimed = true })},
			"denied_for_now", "tofu: another attestation", sampleAgent},
		"another agent then": {"", Case{Recorded: changed(t, "first_use.json", func(in *rego.Input) {
			in.Tofu.First = &rego.First{AgentPath: "/spire/agent/aws_iid/other", Time: in.Time, PeerIP: "10.0.0.1", Uses: 1}
		})}, "denied", "first_identity: ", sampleAgent},
		"a fact that was not asked for": {
			"validate_eks_cluster_membership { eks_cluster_names = [\"shop\"] }", Case{Recorded: sample(t, "aws_iid", "first_use.json")},
			"unavailable", "gather: fact eks: it was not asked for when the input was recorded", sampleAgent,
		},
		"a fact that is given now": {
			"validate_eks_cluster_membership { eks_cluster_names = [\"shop\"] }",
			Case{Recorded: sample(t, "aws_iid", "first_use.json"), Facts: map[string]json.RawMessage{"eks": json.RawMessage(`{"clusters": [{"name": "shop"}]}`)}},
			"attested", "", sampleAgent,
		},
		"a fact that there is none": {
			"", Case{Recorded: sample(t, "aws_iid", "first_use.json"), Facts: map[string]json.RawMessage{"instance": json.RawMessage(" null")}},
			"denied", "block_device: ", sampleAgent,
		},
		"template with tags": {
			`agent_path_template = "/{{ .PluginName }}/{{ .InstanceID }}/{{ .Tags.Name }}"`, Case{Recorded: sample(t, "aws_iid", "first_use.json")},
			"attested", "", agent + "i-0123456789abcdef0/blog",
		},
		"the recorded template's path": {
			"", Case{Recorded: changed(t, "first_use.json", func(in *rego.Input) {
				in.TemplatedAgentPath = "/spire/agent/aws_iid/templated"
			})}, "attested", "", sampleAgent,
		},
		"admission": {"", Case{Recorded: changed(t, "replay.json", func(in *rego.Input) { in.Facts, in.FactsStatus = nil, nil })},
			"denied", "tofu: ", sampleAgent},
	} {
		t.Run(name, func(t *testing.T) {
			kind := AWSIID()
			if tc.q.Payload != nil {
				kind = awsOf(t, newCloud())
			}
			got, err := loadAWS(t, kind, tc.config).Decide(t.Context(), tc.q)
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != tc.outcome || !strings.HasPrefix(got.Reason, tc.reason) || (got.Reason == "") != (tc.reason == "") || got.AgentID != tc.agent {
				t.Errorf("got %s, %s, %q", got.Outcome, got.AgentID, got.Reason)
			}
			if got.Attested() != (tc.outcome == "attested") || got.Denied() != slices.Contains([]string{"denied", "denied_for_now", "bad_evidence"}, tc.outcome) {
				t.Errorf("attested %v, denied %v", got.Attested(), got.Denied())
			}
			if got.Attested() != (len(got.Selectors) > 0) {
				t.Errorf("selectors are %v", got.Selectors)
			}
			if verified := tc.outcome != "bad_evidence"; (got.Explanation != nil) != verified || (got.Input != nil) != verified {
				t.Errorf("the input is %v, the explanation %v", got.Input, got.Explanation)
			}
		})
	}
}

// TestDecideAsRecorded: what is recorded is what policy is asked about, whole.
func TestDecideAsRecorded(t *testing.T) {
	for _, plugin := range []struct {
		kind   Kind
		config string
	}{
		{AWSIID(), "verify_organization {\n management_account_id = \"123456789012\"\n assume_org_role = \"x\"\n}\nvalidate_eks_cluster_membership { eks_cluster_names = [\"shop\"] }"},
		{AzureMSI(), `tenants { "` + sampleTenant(t) + `" {} }`},
	} {
		t.Run(plugin.kind.Name(), func(t *testing.T) {
			in := sample(t, plugin.kind.Name(), "first_use.json")
			in.TemplatedAgentPath = ""
			for name, why := range in.FactsStatus {
				if why == "not_collected" {
					in.FactsStatus[name] = "absent"
				}
			}
			config, err := Load(t.Context(), plugin.kind, in.TrustDomain, plugin.config, func() time.Time { return in.Time })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(config.collector.FactNames(), plugin.kind.factNames()); diff != "" {
				t.Errorf("facts that can be gathered, and recorded: %s", diff)
			}
			got, err := config.Decide(t.Context(), Case{Recorded: in})
			if err != nil {
				t.Fatal(err)
			}
			if got.Input == nil {
				t.Fatalf("got %+v", got)
			}
			if diff := cmp.Diff(jsonOf(t, in), jsonOf(t, got.Input)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func sampleTenant(t *testing.T) string {
	tenant, _ := sample(t, "azure_msi", "first_use.json").Evidence.(rego.Value).Member("tenant_id").Text()
	return tenant
}

func jsonOf(t *testing.T, in *rego.Input) string {
	t.Helper()
	text, err := json.Marshal(in.Document())
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	text, err = json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDecideErrors(t *testing.T) {
	recorded := sample(t, "aws_iid", "first_use.json")
	fact := func(name, text string) map[string]json.RawMessage {
		return map[string]json.RawMessage{name: json.RawMessage(text)}
	}
	for name, tc := range map[string]struct {
		q    Case
		want string
	}{
		"nothing":                {Case{}, "a case is a payload or a recorded input"},
		"both":                   {Case{Payload: []byte("x"), Recorded: recorded}, "a case is a payload or a recorded input"},
		"live about a recording": {Case{Recorded: recorded, Live: true}, "clouds are asked about verified evidence only, which a recorded input is not"},
		"live and given":         {Case{Payload: []byte("x"), Live: true, Facts: instanceFacts()}, "facts are given or asked for, not both"},
		"another plugin's":       {Case{Recorded: sample(t, "azure_msi", "first_use.json")}, `the input is of plugin "azure_msi", the configuration of "aws_iid"`},
		"no such fact":           {Case{Recorded: recorded, Facts: fact("instanse", "{}")}, `fact "instanse": aws_iid has eks, instance, instance_profile, organization`},
		"a misspelt field":       {Case{Recorded: recorded, Facts: fact("instance", `{"tag": {}}`)}, `fact instance: json: unknown field "tag"`},
		"a recorded fact": {Case{Recorded: changed(t, "first_use.json", func(in *rego.Input) { in.Facts["eks"] = 3 })},
			"input.facts: fact eks: json: cannot unmarshal number into Go value of type awsiid.ClusterMembership"},
		"a recorded status": {Case{Recorded: changed(t, "first_use.json", func(in *rego.Input) { in.FactsStatus["eks"] = "gone" })},
			`input.facts_status.eks: "gone" is none of absent, error and not_collected`},
		"recorded evidence": {Case{Recorded: changed(t, "first_use.json", func(in *rego.Input) { in.Evidence = map[string]any{"token": "secret"} })},
			`input.evidence: json: unknown field "token"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadAWS(t, AWSIID(), "").Decide(t.Context(), tc.q)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// TestDecidePeer: the address is the recorded one, unless there is another.
func TestDecidePeer(t *testing.T) {
	recorded := sample(t, "aws_iid", "first_use.json")
	for peer, want := range map[netip.Addr]string{
		{}:                               "10.0.0.209",
		netip.MustParseAddr("192.0.2.1"): "192.0.2.1",
	} {
		got, err := loadAWS(t, AWSIID(), "").Decide(t.Context(), Case{Recorded: recorded, PeerIP: peer})
		if err != nil {
			t.Fatal(err)
		}
		if got.Input.PeerIP.String() != want {
			t.Errorf("peer %v: policy sees %v", peer, got.Input.PeerIP)
		}
	}
}

// TestWithPolicyAndConfig: a directory, and a recorded configuration, take the
// place of what plugin_data says.
func TestWithPolicyAndConfig(t *testing.T) {
	dir := newPolicyDir(t, map[string]string{
		"account.rego": "package gatehouse.aws_iid\n\nselector contains $\"partition:{data.gatehouse.config.partition}\"\n",
	})
	config := map[string]any{"partition": "aws-cn", "agent_path_template": "", "enforcement": map[string]any{"partition": "off"}}
	kind := AWSIID().WithPolicyConfig(config).WithPolicy(string(dir))
	loaded, err := Load(t.Context(), kind, "example.org", "", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := loaded.PolicySource(), string(dir)+" over the baseline"; got != want {
		t.Errorf("policy is from %q, want %q", got, want)
	}
	got, err := loaded.Decide(context.Background(), Case{Recorded: sample(t, "aws_iid", "first_use.json")})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Attested() || !slices.Contains(got.Selectors, "partition:aws-cn") {
		t.Errorf("got %s %s, %v", got.Outcome, got.Reason, got.Selectors)
	}
}
