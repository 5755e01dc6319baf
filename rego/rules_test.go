package rego_test

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

func TestRulesOfTheBaseline(t *testing.T) {
	var got []string
	for _, rule := range baselineEngine(t, baselineOptions().Config).Rules() {
		got = append(got, rule.Name+": "+rule.Title)
		if rule.Description == "" {
			t.Errorf("%s has no description", rule.Name)
		}
		if want := "gatehouse/aws_iid/" + rule.Name + ".rego"; rule.File != want {
			t.Errorf("%s is in %s, not in %s", rule.Name, rule.File, want)
		}
		content, err := fs.ReadFile(policies.Baseline(), rule.File)
		if err != nil {
			t.Fatal(err)
		}
		line := strings.Split(string(content), "\n")[rule.Line-1]
		if !strings.Contains(line, `violation contains {"rule": "`+rule.Name+`"`) {
			t.Errorf("%s:%d is %q", rule.File, rule.Line, line)
		}
	}
	want := []string{
		"account: The account is an allowed one",
		"block_device: The root volume has been there since the launch",
		"eks_cluster: The instance belongs to a configured EKS cluster",
		"first_identity: The instance has not become another agent before",
		"instance_state: The instance is pending or running",
		"instance_state: EC2's answer is about the instance of the document",
		"organization: The account belongs to the organization",
		"partition: The instance is of the configured partition",
		"signature_strength: The document is signed with RSA-2048",
		"tofu: The agent has not attested before",
		"tofu: No other attestation of the agent is under way",
		"tofu: First use has been looked at",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The ways in which operators write a rule's name.
const namedRules = `package gatehouse.aws_iid

violation contains {"rule": "literal", "msg": "m"} if input.evidence.region == "x"

# METADATA
# title: Assigned
# description: In the body.
admission_violation contains reason if {
	input.evidence.region == "x"
	reason := {"rule": "assigned", "msg": "m"}
}

warning contains {"rule": "remark", "msg": "m"} if input.evidence.region == "x"

exempt contains "literal" if input.evidence.region == "x"
`

func TestRulesOfAnOperator(t *testing.T) {
	var got []rego.Rule
	for _, rule := range newEngine(t, overlayOptions(t, map[string]string{
		extra:                           namedRules,
		"other/other.rego":              "package other\n\nviolation contains {\"rule\": \"other\", \"msg\": \"m\"}\n",
		"gatehouse/aws_iid/reader.rego": "package gatehouse.aws_iid\n\nviolation contains reason if some reason in data.other.violation\n",
	})).Rules() {
		if rule.File == extra || rule.Name == "other" {
			got = append(got, rule)
		}
	}
	want := []rego.Rule{
		{Name: "assigned", Title: "Assigned", Description: "In the body.", File: extra, Line: 8},
		{Name: "literal", File: extra, Line: 3},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRulesAreACopy(t *testing.T) {
	engine := baselineEngine(t, baselineOptions().Config)
	engine.Rules()[0].Name = "x"
	if engine.Rules()[0].Name != "account" {
		t.Error("a caller can change the engine")
	}
}
