package rego_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/rego"
)

type instanceProfile struct {
	ARN   string `json:"arn"`
	Name  string `json:"name"`
	Roles []role `json:"roles"`
}

type role struct {
	ARN  string `json:"arn"`
	Name string `json:"name"`
}

type account struct {
	AccountID string `json:"account_id"`
	State     string `json:"state"`
	Source    string `json:"source"`
}

type clusters struct {
	Clusters []cluster `json:"clusters"`
}

type cluster struct {
	Name             string `json:"name"`
	NodeGroup        string `json:"node_group"`
	AutoScalingGroup string `json:"auto_scaling_group"`
}

// everyRuleOptions is the baseline with every rule configured.
func everyRuleOptions() rego.Options {
	opts := baselineOptions()
	opts.Config = map[string]any{
		"partition":                          "aws",
		"assume_role":                        "spire",
		"skip_block_device":                  false,
		"disable_instance_profile_selectors": false,
		"account_ids_for_local_validation":   []string{"210987654321"},
		"agent_path_template":                "/{{ .PluginName }}/{{ .AccountID }}/{{ .InstanceID }}",
		"allowed_account_ids":                []string{"210987654321", "123456789012"},
		"enforcement":                        map[string]string{"account": "deny", "eks_cluster": "deny"},
		"verify_organization":                map[string]any{"management_account_id": "999999999999"},
		"validate_eks_cluster_membership":    map[string]any{"eks_cluster_names": []string{"shop", "blog"}},
	}
	return opts
}

// busyAdmission and busyDecision are of a good instance that has as many tags and
// groups as busy ones have, and everything that any rule looks at.
func busyAdmission() rego.Input {
	in := admissionInput()
	in.TemplatedAgentPath = "/spire/agent/aws_iid/123456789012/i-0123456789abcdef0"
	in.Tofu = &rego.Tofu{}
	return in
}

func busyDecision() rego.Input {
	in := busyAdmission()
	instance := decisionInput().Facts["instance"].(goodInstance)
	instance.Tags = map[string]string{}
	for i := range 20 {
		instance.Tags[fmt.Sprintf("team:tag-%02d", i)] = fmt.Sprintf("value-%02d", i)
	}
	instance.SecurityGroups = append(instance.SecurityGroups, securityGroup{ID: "sg-2", Name: "db"})
	in.Facts = map[string]any{
		"instance": instance,
		"instance_profile": instanceProfile{
			ARN: "arn:aws:iam::123456789012:instance-profile/blog", Name: "blog",
			Roles: []role{{ARN: "arn:aws:iam::123456789012:role/Blog", Name: "Blog"}},
		},
		"organization": account{AccountID: "123456789012", State: "ACTIVE", Source: "organizations"},
		"eks":          clusters{[]cluster{{Name: "blog", NodeGroup: "workers", AutoScalingGroup: "eks-workers-1"}}},
	}
	in.FactsStatus = map[string]string{}
	return in
}

func admit(t testing.TB, engine *rego.Engine, in rego.Input) {
	if got, err := engine.Admit(t.Context(), in); err != nil || got.Violations != nil || len(got.Required) != 4 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func decide(t testing.TB, engine *rego.Engine, in rego.Input) {
	if got, err := engine.Decide(t.Context(), in); err != nil || got.Violations != nil || len(got.Selectors) != 30 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// Both questions of an attestation, with every rule on, may cost so many
// allocations together.
func TestAllocations(t *testing.T) {
	engine := newEngine(t, everyRuleOptions())
	admission, decision := busyAdmission(), busyDecision()
	if n := testing.AllocsPerRun(20, func() {
		admit(t, engine, admission)
		decide(t, engine, decision)
	}); n > allocationLimit {
		t.Errorf("%.0f allocations, more than %d", n, allocationLimit)
	}
}

func BenchmarkAdmit(b *testing.B) {
	engine := newEngine(b, everyRuleOptions())
	in := busyAdmission()
	b.ReportAllocs()
	for b.Loop() {
		admit(b, engine, in)
	}
}

func BenchmarkDecide(b *testing.B) {
	engine := newEngine(b, everyRuleOptions())
	in := busyDecision()
	b.ReportAllocs()
	for b.Loop() {
		decide(b, engine, in)
	}
}

// Both questions, and one verification of an RSA-2048 signature, without which
// there is no attestation. How many verifications the questions take the time of,
// both at their medians, depends little on the machine.
func BenchmarkAttestation(b *testing.B) {
	engine := newEngine(b, everyRuleOptions())
	admission, decision := busyAdmission(), busyDecision()
	verify := verification(b)
	verify() // warm up
	b.ReportAllocs()
	var took, verified []time.Duration
	for b.Loop() {
		start := time.Now()
		admit(b, engine, admission)
		decide(b, engine, decision)
		took = append(took, time.Since(start))
		start = time.Now()
		verify()
		verified = append(verified, time.Since(start))
	}
	b.ReportMetric(float64(median(took))/float64(median(verified)), "verifications/op")
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// verification verifies one signature with RSA-2048.
func verification(b *testing.B) func() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("document"))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}
