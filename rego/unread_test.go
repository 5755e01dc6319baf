package rego_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// A check that nothing reads refuses nobody, while its author believes that it does.
func TestChecksThatNothingReads(t *testing.T) {
	const reason = `contains {"rule": "x", "msg": "x"} if input.plugin == "aws_iid"` + "\n"
	const would = "; it would refuse nobody: checks are violation and admission_violation of package gatehouse.aws_iid"
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"package's name misspelt": {map[string]string{"own.rego": "package gatehouse.aws_idd\n\nviolation " + reason},
			"own.rego:3: nothing reads rule violation of package gatehouse.aws_idd; did you mean package gatehouse.aws_iid?"},
		"package's name written otherwise": {map[string]string{"own.rego": "package gatehouse[\"aws-iid\"]\n\nviolation " + reason},
			`own.rego:3: nothing reads rule violation of package gatehouse["aws-iid"]` + would},
		"another plugin's": {map[string]string{"own.rego": "package gatehouse.azure_mis\n\nadmission_violation " + reason},
			"own.rego:3: nothing reads rule admission_violation of package gatehouse.azure_mis; did you mean package gatehouse.azure_msi?"},
		"another answer of it": {map[string]string{"own.rego": "package gatehouse.aws_idd\n\nselector contains \"x\"\n"},
			"own.rego:3: nothing reads rule selector of package gatehouse.aws_idd; did you mean package gatehouse.aws_iid?"},
		"masks of the decision log": {map[string]string{"own.rego": "package system.logs\n\nmask contains \"/input/facts\"\n"},
			"own.rego:3: nothing reads rule mask of package system.logs; did you mean package system.log?"},
		"package below": {map[string]string{"own.rego": "package gatehouse.aws_iid.own\n\nviolation " + reason},
			"own.rego:3: nothing reads rule violation of package gatehouse.aws_iid.own" + would},
		"package elsewhere": {map[string]string{"own.rego": "package acme\n\nviolation " + reason},
			"own.rego:3: nothing reads rule violation of package acme" + would},
		"other reasons of it": {map[string]string{"own.rego": "package acme\n\nviolation contains reason if some reason in {}\n"},
			"own.rego:3: nothing reads rule violation of package acme" + would},
		"another tool's name for it": {map[string]string{"own.rego": "package gatehouse.aws_iid\n\ndeny " + reason},
			"own.rego:3: nothing reads rule deny of package gatehouse.aws_iid" + would},
		"reason in a variable": {map[string]string{"own.rego": "package gatehouse.aws_iid\n\ndeny contains reason if {\n\tinput.plugin == \"aws_iid\"\n\treason := {\"rule\": \"x\", \"msg\": \"x\"}\n}\n"},
			"own.rego:3: nothing reads rule deny of package gatehouse.aws_iid" + would},
		"an entrypoint without them": {map[string]string{"gatehouse/aws_iid/aws_iid.rego": strings.ReplaceAll(baselineFile(t, "gatehouse/aws_iid/aws_iid.rego"), "admission_violation | violation", "violation | violation")},
			""}, // admission still reads it
	} {
		t.Run(name, func(t *testing.T) {
			own := fstest.MapFS{}
			for file, text := range tc.files {
				own[file] = &fstest.MapFile{Data: []byte(text)}
			}
			_, err := rego.New(t.Context(), rego.Options{Plugin: "aws_iid", Policy: policies.Over(own)})
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// Reasons may be made elsewhere if they are read from there, and a check may be put
// aside by an underscore.
func TestChecksElsewhere(t *testing.T) {
	own := fstest.MapFS{
		"acme.rego": {Data: []byte("package acme\n\nviolation contains {\"rule\": \"imported\", \"msg\": \"x\"} if input.plugin == \"aws_iid\"\n")},
		"all.rego":  {Data: []byte("package other\n\nproblems contains {\"rule\": \"whole\", \"msg\": \"x\"} if input.plugin == \"aws_iid\"\n")},
		"own.rego": {Data: []byte(`package gatehouse.aws_iid

import data.acme

violation contains reason if some reason in acme.violation

violation contains reason if some reason in data.other[_]

_put_aside contains {"rule": "aside", "msg": "x"} if input.plugin == "aws_iid"
`)},
	}
	engine, err := rego.New(t.Context(), rego.Options{Plugin: "aws_iid", Policy: policies.Over(own), Config: baselineOptions().Config})
	if err != nil {
		t.Fatal(err)
	}
	decision, err := engine.Decide(t.Context(), decisionInput())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, denial := range decision.Denials() {
		got = append(got, denial.Rule)
	}
	if strings.Join(got, " ") != "imported whole" {
		t.Errorf("got %v", got)
	}
}
