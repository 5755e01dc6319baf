package replay_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/spire-gatehouse/gatehouse/replay"
)

const ownersRule = `package gatehouse.aws_iid

violation contains {"rule": "owners", "msg": "no team"} if not input.facts.instance.tags.team
`

// TestWorkers: the report does not depend on who judges what.
func TestWorkers(t *testing.T) {
	candidate := policy(t, map[string]string{"owners.rego": ownersRule})
	aws, azure := logOf("aws", linesOf(t, "aws_iid")...), logOf("azure", linesOf(t, "azure_msi")...)
	one := run(t, replay.Options{Candidate: candidate, Workers: 1}, aws, azure)
	if one.Verdict != replay.Changes || one.Log.Lines != 200 || len(one.Classes) == 0 {
		t.Fatalf("got %s", asJSON(t, one))
	}
	several := run(t, replay.Options{Candidate: candidate, Workers: 5}, aws, azure)
	if diff := cmp.Diff(asJSON(t, one), asJSON(t, several)); diff != "" {
		t.Errorf("(-one +several):\n%s", diff)
	}
}

// TestSites: of rules that share a name, those are named that denied.
func TestSites(t *testing.T) {
	candidate := policy(t, map[string]string{
		"a.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"a\"} if input.facts.instance.state == \"lost\"\n",
		"b.rego": "package gatehouse.aws_iid\n\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"b\"} if input.facts.instance.state == \"running\"\n",
	})
	lines := linesOf(t, "aws_iid")
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], attested(t, lines)))
	group := report.Classes[0].Groups[0]
	if group.Key != "owners" || cmp.Diff([]string{"b.rego:4"}, group.At) != "" || cmp.Diff([]string{"b.rego:4"}, group.Samples[0].New.At) != "" {
		t.Errorf("got %s", asJSON(t, report.Classes))
	}
}

// TestSitesAtAdmission: a node that was denied before there were facts was not denied by
// what would have denied it later.
func TestSitesAtAdmission(t *testing.T) {
	candidate := policy(t, map[string]string{
		"a.rego": "package gatehouse.aws_iid\n\nadmission_violation contains {\"rule\": \"owners\", \"msg\": \"a\"} if not input.facts.instance\n",
		"b.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"b\"} if input.facts.instance.state == \"running\"\n",
	})
	lines := linesOf(t, "aws_iid")
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], attested(t, lines)))
	group := report.Classes[0].Groups[0]
	if group.Key != "owners" || cmp.Diff([]string{"a.rego:3"}, group.At) != "" || cmp.Diff([]string{"a.rego:3"}, group.Samples[0].New.At) != "" {
		t.Errorf("got %s", asJSON(t, report.Classes))
	}
}

// TestSitesOfComputedNames: a rule whose name only its evaluation brings out is found all
// the same.
func TestSitesOfComputedNames(t *testing.T) {
	candidate := policy(t, map[string]string{
		"own.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": name, \"msg\": \"m\"} if some name in [input.facts.instance.state]\n",
	})
	lines := linesOf(t, "aws_iid")
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], attested(t, lines)))
	group := report.Classes[0].Groups[0]
	if group.Key != "running" || cmp.Diff([]string{"own.rego:3"}, group.At) != "" {
		t.Errorf("got %s", asJSON(t, report.Classes))
	}
}

// TestSitesUnexplained: where a denial can't be explained, those are named that it may have
// been by, and the report is there.
func TestSitesUnexplained(t *testing.T) {
	candidate := policy(t, map[string]string{
		"a.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"a\"} if input.facts.instance.state == \"lost\"\n",
		"b.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"b\"} if input.facts.instance.state == \"running\"\n",
		// An explanation asks for the admission with facts, which nobody does of a node.
		"gatehouse/aws_iid/tofu.rego": "package gatehouse.aws_iid\n\nrequired_fact contains \"instance\" if {\n\tinput.facts\n\tto_number(input.plugin) == 1\n}\n",
	})
	lines := linesOf(t, "aws_iid")
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], attested(t, lines)))
	group := report.Classes[0].Groups[0]
	if want := []string{"a.rego:3", "b.rego:3"}; group.Key != "owners" || cmp.Diff(want, group.At) != "" || cmp.Diff(want, group.Samples[0].New.At) != "" {
		t.Errorf("got %s", asJSON(t, report.Classes))
	}
}

// TestSitesOfManySamples: it is asked of the first samples only.
func TestSitesOfManySamples(t *testing.T) {
	const asked = 10
	candidate := policy(t, map[string]string{
		"a.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"a\"} if input.facts.instance.state == \"lost\"\n",
		"b.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"owners\", \"msg\": \"b\"} if input.facts.instance.state == \"running\"\n",
	})
	lines := linesOf(t, "aws_iid")
	log := lines[:1]
	var want [][]string
	for i := range asked + 2 {
		log = append(log, changed(t, attested(t, lines), "decision_id", fmt.Sprint(i)))
		want = append(want, []string{"b.rego:3"})
	}
	want[asked] = []string{"a.rego:3", "b.rego:3"} // one of them
	want[asked+1] = want[asked]
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", log...))
	var got [][]string
	for _, sample := range report.Classes[0].Groups[0].Samples {
		got = append(got, sample.New.At)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReopened: what was turned away as a replay is let in under another agent ID.
func TestReopened(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	again := changed(t, changed(t, changed(t, good, "input.tofu.attested", true), "custom.gatehouse.outcome", "denied"), "custom.gatehouse.rules", []any{map[string]any{"rule": "tofu", "effect": "denied"}})
	again = changed(t, again, "result.violations", []any{map[string]any{"rule": "tofu", "msg": "has attested before"}})
	candidate := policy(t, map[string]string{"gatehouse/aws_iid/agent_path.rego": "package gatehouse.aws_iid\n\nagent_path := $\"/spire/agent/aws_iid/new/{input.evidence.instance_id}\"\n"})
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], again))
	var got []replay.ClassName
	for _, class := range report.Classes {
		got = append(got, class.Name)
	}
	if diff := cmp.Diff([]replay.ClassName{replay.AgentIDChanged, replay.NewlyAllowed}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if key := report.Classes[0].Groups[0].Key; !strings.HasSuffix(key, "/{account_id}/{region}/{instance_id} → /spire/agent/aws_iid/new/{instance_id}") {
		t.Errorf("group %s", key)
	}
}

// TestSecondIdentity: where a machine's first use is remembered, another agent ID does
// not re-open it.
func TestSecondIdentity(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	remembered := changed(t, good, "input.tofu", map[string]any{"attested": false, "claimed": false, "first": map[string]any{
		"agent_path": "/spire/agent/aws_iid/old", "time": "2026-01-01T00:00:00Z", "uses": 1,
	}})
	again := changed(t, remembered, "input.tofu.attested", true)
	candidate := policy(t, map[string]string{"gatehouse/aws_iid/agent_path.rego": "package gatehouse.aws_iid\n\nagent_path := $\"/spire/agent/aws_iid/new/{input.evidence.instance_id}\"\n"})
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], again))
	if len(report.Classes) != 1 || report.Classes[0].Name != replay.NewlyDenied || report.Classes[0].Groups[0].Key != "first_identity" || len(report.Classes[0].Groups) != 1 {
		t.Errorf("got %s", asJSON(t, report.Classes))
	}
}

// TestUnwantedFacts: a fact that the candidate does not ask for would not be there,
// though it is in the log.
func TestUnwantedFacts(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	candidate := policy(t, map[string]string{"gatehouse/aws_iid/instance_state.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"instance_state\", \"msg\": input.facts_status.instance} if not input.facts.instance\n"})
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], attested(t, lines)))
	var got []string
	for _, v := range report.Classes[0].Groups[0].Samples[0].New.Denials {
		got = append(got, v.Rule+": "+v.Msg)
	}
	if report.Classes[0].Name != replay.NewlyDenied || len(got) == 0 || got[len(got)-1] != "instance_state: not_collected" {
		t.Errorf("denied by %v: %s", got, asJSON(t, report.Classes))
	}
}

// TestBundle: a bundle has the same effect as the directory that it is made of.
func TestBundle(t *testing.T) {
	b := bundle.Bundle{
		Manifest: bundle.Manifest{Revision: "1"},
		Data:     map[string]any{"limits": map[string]any{"teams": []any{"web"}}},
		Modules:  []bundle.ModuleFile{{URL: "/owners.rego", Path: "/owners.rego", Raw: []byte(strings.ReplaceAll(ownersRule, `not input.facts.instance.tags.team`, `not input.facts.instance.tags.team in data.limits.teams`))}},
	}
	b.Manifest.Init()
	name := filepath.Join(t.TempDir(), "bundle.tar.gz")
	var packed bytes.Buffer
	if err := bundle.NewWriter(&packed).DisableFormat(true).Write(b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	candidate, err := replay.OpenPolicy(name, false)
	if err != nil {
		t.Fatal(err)
	}
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	web := changed(t, good, "input.facts.instance.tags.team", "web")
	other := changed(t, good, "input.facts.instance.tags.team", "other")
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], web, other))
	if len(report.Classes) == 0 || report.Classes[0].Name != replay.NewlyDenied || report.Classes[0].Decisions != 1 || report.Classes[0].Groups[0].At[0] != "owners.rego:3" {
		t.Errorf("got %s", asJSON(t, report.Classes))
	}
	if err := os.WriteFile(name, []byte("no bundle"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := replay.OpenPolicy(name, false); err == nil || !strings.Contains(err.Error(), "is neither a directory nor a bundle") {
		t.Errorf("got %v", err)
	}
}

// TestCoverage: what is not exercised, and which facts nothing insists on.
func TestCoverage(t *testing.T) {
	candidate := policy(t, map[string]string{"moon.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"moon\", \"msg\": \"m\"} if {\n\tinput.facts.instance.state == \"moon\"\n\tinput.facts.instance.tags.phase\n}\n"})
	report := run(t, replay.Options{Candidate: candidate, Coverage: true}, logOf("log", linesOf(t, "aws_iid")...))
	c := report.Coverage
	fired := map[string]bool{}
	for _, rule := range c.Rules {
		fired[rule.Of+" "+rule.Rule] = fired[rule.Of+" "+rule.Rule] || rule.Fired
	}
	for rule, want := range map[string]bool{"violation moon": false, "violation block_device": true, "admission_violation tofu": true, "selector ": true, "violation organization": false} {
		if got, known := fired[rule]; !known || got != want {
			t.Errorf("%s: fired %v, known %v", rule, got, known)
		}
	}
	for _, file := range c.Files {
		if strings.Contains(file.File, "azure_msi") {
			t.Errorf("%s is of a plugin that decided nothing", file.File)
		}
		if file.File == "moon.rego" && cmp.Diff([]int{3, 4, 5}, file.NotCovered) != "" {
			t.Errorf("got %+v", file)
		}
	}
	facts := map[string]bool{}
	for _, fact := range c.Facts {
		facts[fact.Fact] = fact.Unguarded
		if fact.Fact == "instance_profile" && (fact.Survived != fact.Allowed || fact.Selectors != fact.Allowed) {
			t.Errorf("got %+v", fact)
		}
	}
	if diff := cmp.Diff(map[string]bool{"instance": false, "instance_profile": true}, facts); diff != "" {
		t.Errorf("unguarded facts (-want +got):\n%s", diff)
	}
}
