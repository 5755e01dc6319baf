package rego_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/spire-gatehouse/gatehouse/internal/schematest"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// A decisionCase is one file of testdata/decisions: what is different from a good
// input, and the whole answer. The README there says how to write one.
type decisionCase struct {
	Note   string         `json:"note"`
	Config map[string]any `json:"config"`
	Input  struct {
		PeerIP             netip.Addr        `json:"peer_ip"`
		Evidence           map[string]any    `json:"evidence"`
		TemplatedAgentPath string            `json:"templated_agent_path"`
		Facts              map[string]any    `json:"facts"`
		FactsStatus        map[string]string `json:"facts_status"`
		Tofu               *rego.Tofu        `json:"tofu"`
	} `json:"input"`
	Want struct {
		Admission struct {
			Violations []rego.Violation `json:"violations"`
			Exempt     []string         `json:"exempt"`
			Warnings   []rego.Violation `json:"warnings"`
			Required   []string         `json:"required"`
			Optional   []string         `json:"optional"`
			AgentPath  string           `json:"agent_path"`
		} `json:"admission"`
		Decision struct {
			Violations []rego.Violation `json:"violations"`
			Exempt     []string         `json:"exempt"`
			Warnings   []rego.Violation `json:"warnings"`
			AgentPath  string           `json:"agent_path"`
			Selectors  []string         `json:"selectors"`
		} `json:"decision"`
	} `json:"want"`
}

// readCase reads YAML by way of JSON, for the JSON tags and for unknown keys to
// be errors.
func readCase(t *testing.T, name string) decisionCase {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var parsed any
	if err := yaml.Unmarshal(content, &parsed); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	var c decisionCase
	if err := strictUnmarshal(text, &c); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

func TestDecisions(t *testing.T) {
	names, err := filepath.Glob("testdata/decisions/*.yaml")
	if err != nil || len(names) < 20 {
		t.Fatalf("found %d cases: %v", len(names), err)
	}
	for _, name := range names {
		c := readCase(t, name)
		t.Run(filepath.Base(name), func(t *testing.T) { c.run(t) })
	}
}

func (c decisionCase) run(t *testing.T) {
	t.Log(c.Note)
	config := baselineOptions().Config
	if c.Config != nil {
		config = c.Config
	}
	engine := baselineEngine(t, config)

	in := rego.Input{
		Plugin:             "aws_iid",
		TrustDomain:        "example.org",
		Time:               noon,
		PeerIP:             c.Input.PeerIP,
		Evidence:           c.Input.Evidence,
		TemplatedAgentPath: c.Input.TemplatedAgentPath,
		Tofu:               c.Input.Tofu,
	}
	schematest.Input(t, "aws_iid", in.Document())
	admission, err := engine.Admit(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	wantAdmission := rego.Admission{
		Violations: c.Want.Admission.Violations,
		Exempt:     c.Want.Admission.Exempt,
		Warnings:   c.Want.Admission.Warnings,
		Required:   c.Want.Admission.Required,
		Optional:   c.Want.Admission.Optional,
		AgentPath:  c.Want.Admission.AgentPath,
	}
	if !reflect.DeepEqual(admission, wantAdmission) {
		t.Errorf("admission\n got %+v\nwant %+v", admission, wantAdmission)
	}

	in.Facts, in.FactsStatus = c.Input.Facts, c.Input.FactsStatus
	schematest.Input(t, "aws_iid", in.Document())
	decision, err := engine.Decide(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	wantDecision := rego.Decision{
		Violations: c.Want.Decision.Violations,
		Exempt:     c.Want.Decision.Exempt,
		Warnings:   c.Want.Decision.Warnings,
		AgentPath:  c.Want.Decision.AgentPath,
		Selectors:  c.Want.Decision.Selectors,
	}
	if !reflect.DeepEqual(decision, wantDecision) {
		t.Errorf("decision\n got %+v\nwant %+v", decision, wantDecision)
	}
}

func strictUnmarshal(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
