package replay_test

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TestBadLines: what can't be replayed is counted and told, with its line, and the
// rest is replayed.
func TestBadLines(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	config, good := lines[0], attested(t, lines)
	tag := changed(t, good, "input.facts.instance.tags", map[string]any{})
	for name, tc := range map[string]struct {
		line    string
		against bool
		skipped bool
		want    replay.Remark // of line 3
	}{
		"torn":        {line: good[:len(good)/2], skipped: true, want: replay.Remark{Why: "is no whole JSON document: a crash or a full disk may have torn it"}},
		"zeros":       {line: strings.Replace(good, `"running"`, "\"\x00\x00\"", 1), skipped: true, want: replay.Remark{Why: "is no whole JSON document: a crash or a full disk may have torn it"}},
		"foreign":     {line: `{"level":"info","msg":"hello"}`, skipped: true, want: replay.Remark{Why: "is no decision of Gatehouse"}},
		"another OPA": {line: changed(t, good, "path", "authz/allow"), skipped: true, want: replay.Remark{Why: "is no decision of Gatehouse"}},
		"too long":    {line: strings.Repeat("x", 9<<20), skipped: true, want: replay.Remark{Why: "is longer than 8388608 bytes: this is no decision log"}},
		"bad evidence": {line: changed(t, changed(t, changed(t, good, "path", "gatehouse/aws_iid/verify"), "input", nil), "custom.gatehouse.outcome", "bad_evidence"),
			skipped: true, want: replay.Remark{Why: "was refused before policy was asked: bad_evidence"}},
		"input taken out": {line: changed(t, changed(t, good, "input", nil), "erased", []string{"/input"}),
			skipped: true, want: replay.Remark{Why: "has no input: the log's owner had it taken out, or it was too long"}},
		"masked": {line: changed(t, tag, "masked", []string{"/input/facts/instance/tags"}),
			skipped: true, want: replay.Remark{Why: "has masked parts, so that what was recorded can't come out again: compare with another policy by --against", Detail: "/input/facts/instance/tags"}},
		"calls masked": {line: changed(t, good, "erased", []string{"/custom/gatehouse/calls", "/requested_by"}), want: replay.Remark{}},
		"masked, against a policy": {line: changed(t, tag, "masked", []string{"/input/facts/instance/tags"}), against: true,
			want: replay.Remark{Why: "has masked parts: both policies were asked without them", Detail: "/input/facts/instance/tags"}},
		"facts masked, against a policy": {line: changed(t, changed(t, changed(t, good, "input.facts", nil), "input.facts_status", nil), "erased", []string{"/input/facts", "/input/facts_status"}), against: true,
			skipped: true, want: replay.Remark{Why: "lacks facts without which policy baseline can't be told, so that there is nothing to compare: instance, instance_profile"}},
		"rules masked": {line: changed(t, changed(t, good, "custom.gatehouse.rules", nil), "erased", []string{"/custom/gatehouse/rules/0"}),
			skipped: true, want: replay.Remark{Why: "has masked parts, so that what was recorded can't come out again: compare with another policy by --against", Detail: "/custom/gatehouse/rules/0"}},
		"all but the decision masked": {line: changed(t, changed(t, good, "custom.gatehouse.outcome", nil), "erased", []string{"/custom/gatehouse"}),
			skipped: true, want: replay.Remark{Why: "has masked parts, so that what was recorded can't come out again: compare with another policy by --against", Detail: "/custom/gatehouse"}},
		"agent ID masked": {line: changed(t, changed(t, good, "custom.gatehouse.agent_id", "REDACTED"), "masked", []string{"/custom/gatehouse/agent_id"}), want: replay.Remark{}},
		"agent ID masked everywhere, against a policy": {line: changed(t, changed(t, changed(t, good, "custom.gatehouse.agent_id", nil), "result", nil), "erased", []string{"/custom/gatehouse/agent_id", "/result"}), against: true,
			skipped: true, want: replay.Remark{Why: "has its agent's ID masked, so that it can't be told whose first use it was", Detail: "/custom/gatehouse/agent_id, /result"}},
		"result masked": {line: changed(t, changed(t, good, "result", nil), "erased", []string{"/result"}),
			skipped: true, want: replay.Remark{Why: "has masked parts, so that what was recorded can't come out again: compare with another policy by --against", Detail: "/result"}},
		"unknown configuration": {line: changed(t, good, "custom.gatehouse.config", "another"),
			skipped: true, want: replay.Remark{Why: "is made with a configuration that the log does not have: give it with --config"}},
		"later version": {line: changed(t, good, "input.moon", "full"),
			skipped: true, want: replay.Remark{Why: "has an input that this version can't read: another version of Gatehouse wrote it", Detail: `rego: input document: unknown field "moon"`}},
		"result of another version": {line: changed(t, good, "result.selectors", "all"),
			skipped: true, want: replay.Remark{Why: "has a result that this version can't read: another version of Gatehouse wrote it",
				Detail: "result.selectors is of another kind"}},
		"no such plugin": {line: changed(t, changed(t, good, "path", "gatehouse/gcp_iit/decision"), "input.plugin", "gcp_iit"),
			skipped: true, want: replay.Remark{Why: "is of a plugin that this version does not have", Detail: "gcp_iit"}},
		"two plugins": {line: changed(t, good, "input.plugin", "azure_msi"),
			skipped: true, want: replay.Remark{Why: "has an input of another plugin than its path"}},
		"cloud did not answer": {line: changed(t, good, "custom.gatehouse.outcome", "unavailable"),
			skipped: true, want: replay.Remark{Why: "was not decided then, so that there is nothing to compare: unavailable"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := replay.Options{Candidate: replay.Baseline()}
			if tc.against {
				baseline := replay.Baseline()
				o.Against = &baseline
			}
			report := run(t, o, logOf("log", config, good, tc.line, good))
			tc.want.Lines, tc.want.First = 1, "log:3"
			want := []replay.Remark{tc.want}
			if tc.want.Why == "" {
				want = nil
			}
			remarks := report.Log.Noted
			replayed := 3
			if tc.skipped {
				remarks, replayed = report.Log.Skipped, 2
			}
			if diff := cmp.Diff(want, remarks, cmp.AllowUnexported(replay.Remark{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if report.Log.Lines != 3 || report.Log.Replayed != replayed || report.Verdict != replay.Safe {
				t.Errorf("verdict %s, log %+v", report.Verdict, report.Log)
			}
		})
	}
}

// TestOlderVersion: an input that today's schema does not fit is replayed, and said
// to be so, as often as that version wrote lines.
func TestOlderVersion(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	old := changed(t, changed(t, attested(t, lines), "labels.gatehouse", "v0.9.0"), "input.evidence.account", "123456789012")
	report := run(t, replay.Options{Candidate: replay.Baseline()}, logOf("log", lines[0], old, attested(t, lines), old))
	if len(report.Log.Noted) != 1 || report.Log.Replayed != 3 {
		t.Fatalf("log %+v", report.Log)
	}
	got := report.Log.Noted[0]
	if got.Lines != 2 || got.First != "log:2" || !strings.Contains(got.Why, "Gatehouse v0.9.0, whose input does not follow today's schema") || !strings.Contains(got.Detail, "additional properties 'account' not allowed") {
		t.Errorf("got %+v", got)
	}
}

// TestConfigGiven: a log without configurations is replayed with one that is given.
func TestConfigGiven(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	config := map[string]any{"partition": "aws", "allowed_account_ids": []any{"999999999999"}}
	report := run(t, replay.Options{Candidate: replay.Baseline(), Config: config}, logOf("log", attested(t, lines)))
	if len(report.Classes) != 1 || report.Classes[0].Name != replay.NewlyDenied || report.Classes[0].Groups[0].Key != "account" {
		t.Errorf("got %s", asJSON(t, report))
	}
}

// TestBrokenFiles: a packed file that ends in the middle is read up to there, and the
// next one is read.
func TestBrokenFiles(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.WriteString(w, strings.Join(lines, "\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	whole := packed.Bytes()
	for name, text := range map[string][]byte{"a.jsonl.gz": whole, "b.jsonl.gz": whole[:len(whole)*2/3], "c.jsonl": []byte(lines[0] + "\n" + attested(t, lines)), "d.txt": []byte("x"), "e.jsonl.gz": {0x1f, 0x8b, 1}} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	logs, err := replay.Logs([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	report := run(t, replay.Options{Candidate: replay.Baseline()}, logs...)
	all := 180 + 1
	if report.Log.Files != 4 || report.Log.Lines <= all+1 || report.Log.Lines >= 2*all || report.Verdict != replay.Safe {
		t.Errorf("log %+v", report.Log)
	}
	broken := report.Log.Skipped[len(report.Log.Skipped)-1]
	if broken.Why != "can't be read, nor what comes after it in the file" || broken.Lines != 2 || !strings.HasPrefix(broken.First, filepath.Join(dir, "b.jsonl.gz")) || broken.Detail != "unexpected EOF" {
		t.Errorf("got %+v", broken)
	}
}

// TestRotated: while a directory is read, its files may be packed and removed. None is
// replayed twice, and one that is gone keeps no other from being replayed.
func TestRotated(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	dir := t.TempDir()
	text := []byte(lines[0] + "\n" + attested(t, lines))
	for name, text := range map[string][]byte{"a.jsonl": text, "b.jsonl": text, "b.jsonl.gz": {0x1f, 0x8b}, "c.jsonl": text} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "d.jsonl")); err != nil {
		t.Fatal(err)
	}
	logs, err := replay.Logs([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "a.jsonl")); err != nil {
		t.Fatal(err)
	}
	report := run(t, replay.Options{Candidate: replay.Baseline()}, logs...)
	want := []replay.Remark{{Why: "can't be found: was the log rotated meanwhile?", Lines: 2, First: filepath.Join(dir, "a.jsonl") + ":1"}}
	if diff := cmp.Diff(want, report.Log.Skipped, cmp.AllowUnexported(replay.Remark{})); diff != "" || report.Log.Files != 4 || report.Log.Replayed != 2 {
		t.Errorf("log %+v (-want +got):\n%s", report.Log, diff)
	}

	// One that was named has to be there.
	named, err := replay.Logs([]string{filepath.Join(dir, "b.jsonl")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "b.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := replay.Run(t.Context(), named, replay.Options{Candidate: replay.Baseline()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestBadPolicies: a candidate that does not load is said to be so, with file and
// line.
func TestBadPolicies(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	candidate := policy(t, map[string]string{"bad.rego": "package gatehouse.aws_iid\n\nviolation contains x if input.evidence.acount_id\n"})
	_, err := replay.Run(t.Context(), []replay.Log{logOf("log", lines...)}, replay.Options{Candidate: candidate})
	if err == nil || !strings.Contains(err.Error(), "policy candidate for aws_iid: rego: loading policy: bad.rego:3:") {
		t.Errorf("got %v", err)
	}

	// What the candidate is compared with is no fault of the candidate's.
	old := policy(t, map[string]string{"gatehouse/aws_iid/account.rego": "package gatehouse.aws_iid\n"})
	enforced := changed(t, changed(t, lines[0], "custom.gatehouse.config", "strict"), "result.enforcement", map[string]any{"account": "warn"})
	compared := run(t, replay.Options{Candidate: replay.Baseline(), Against: &old}, logOf("log", lines[0], attested(t, lines), enforced, changed(t, attested(t, lines), "custom.gatehouse.config", "strict")))
	if compared.Verdict != replay.Safe || compared.Log.Replayed != 1 || len(compared.Log.Skipped) != 1 {
		t.Errorf("another policy does not load: got %s", asJSON(t, compared))
	}

	// It is read once: what is written later is of another candidate.
	dir := t.TempDir()
	name := filepath.Join(dir, "owners.rego")
	if _, err := replay.OpenPolicy(dir, false); err == nil || !strings.Contains(err.Error(), "there are no files in it") {
		t.Errorf("empty: got %v", err)
	}
	if err := os.WriteFile(name, []byte(ownersRule), 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := replay.OpenPolicy(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("half a ru"), 0o600); err != nil {
		t.Fatal(err)
	}
	if report := run(t, replay.Options{Candidate: opened}, logOf("log", lines...)); report.Verdict != replay.Changes {
		t.Errorf("changed on disk: got %s", asJSON(t, report))
	}

	// It may load for one configuration, and not for another.
	half := policy(t, map[string]string{"gatehouse/aws_iid/account.rego": "package gatehouse.aws_iid\n"})
	strict := changed(t, changed(t, lines[0], "custom.gatehouse.config", "strict"), "result.enforcement", map[string]any{"account": "warn"})
	good := attested(t, lines)
	report := run(t, replay.Options{Candidate: half}, logOf("log", lines[0], good, strict, changed(t, good, "custom.gatehouse.config", "strict"), good))
	if report.Verdict != replay.Dangerous || report.Log.Replayed != 2 || len(report.Log.Skipped) != 1 || report.Log.Skipped[0].First != "log:4" ||
		!strings.Contains(report.Log.Skipped[0].Detail, "enforcement of \"account\": no policy has a rule of that name") {
		t.Errorf("got %s", asJSON(t, report))
	}
}

func TestNothing(t *testing.T) {
	report, err := replay.Run(t.Context(), []replay.Log{logOf("log", "{}")}, replay.Options{Candidate: replay.Baseline()})
	if !errors.Is(err, replay.ErrNothing) || report == nil || report.Verdict != replay.None || len(report.Log.Skipped) != 1 {
		t.Errorf("got %+v, %v", report, err)
	}
	lines := linesOf(t, "aws_iid")
	undecided := changed(t, attested(t, lines), "custom.gatehouse.outcome", "unavailable")
	report, err = replay.Run(t.Context(), []replay.Log{logOf("log", lines[0], undecided, undecided)}, replay.Options{Candidate: replay.Baseline()})
	if !errors.Is(err, replay.ErrNothing) || report == nil || report.Verdict != replay.None || report.Log.Replayed != 0 {
		t.Errorf("nothing to compare: got %+v, %v", report, err)
	}
	for name, want := range map[string]string{t.TempDir(): "the directory holds no *.jsonl and no *.jsonl.gz", "/none": "no such file or directory"} {
		if _, err := replay.Logs([]string{name}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
		if _, err := replay.OpenPolicy(filepath.Join(name, "none"), false); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// TestEndlessPolicy: a policy that takes a third of a minute for each decision is given up
// after ten of them, not before, and it is said which one it was.
func TestEndlessPolicy(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	log := []string{lines[0]}
	candidate := policy(t, map[string]string{"owners.rego": ownersRule})
	for n := 1; n <= 10; n++ {
		log = append(log, good)
		var clock time.Duration
		o := replay.Options{Candidate: candidate, Workers: 1, Now: func() time.Time {
			clock += 20 * time.Second
			return time.Unix(0, 0).Add(clock)
		}}
		_, err := replay.Run(t.Context(), []replay.Log{logOf("log", log...)}, o)
		want := "replay: policy candidate took 20s and longer for 10 decisions: it is given up"
		if n < 10 && err != nil || n == 10 && (err == nil || err.Error() != want) {
			t.Errorf("%d decisions: got %v", n, err)
		}
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

func TestJUnit(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	candidate := policy(t, map[string]string{"owners.rego": ownersRule})
	bare := changed(t, attested(t, lines), "input.facts.instance.tags", map[string]any{"a\x1b": "b"})
	report := run(t, replay.Options{Candidate: candidate}, logOf("log", lines[0], bare, "{}"))
	var text bytes.Buffer
	if err := report.WriteJUnit(&text); err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Class   string `xml:"classname,attr"`
			Failure struct {
				Type string `xml:"type,attr"`
				Text string `xml:",chardata"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(text.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 12 || suite.Failures != 1 || suite.Skipped != 1 || len(suite.Cases) != 12 || suite.Cases[2].Class != "newly_denied" ||
		suite.Cases[2].Failure.Type != "changes" || !strings.Contains(suite.Cases[2].Failure.Text, "at owners.rego:3\nlog:2 decision ") {
		t.Errorf("got %+v of\n%s", suite, text.String())
	}
}

// TestJUnitDangerous: what makes a report dangerous fails in CI, though it be no class of
// changes.
func TestJUnitDangerous(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	good := attested(t, lines)
	half := policy(t, map[string]string{"gatehouse/aws_iid/account.rego": "package gatehouse.aws_iid\n"})
	strict := changed(t, changed(t, lines[0], "custom.gatehouse.config", "strict"), "result.enforcement", map[string]any{"account": "warn"})
	report := run(t, replay.Options{Candidate: half}, logOf("log", lines[0], good, strict, changed(t, good, "custom.gatehouse.config", "strict")))
	if report.Verdict != replay.Dangerous {
		t.Fatalf("verdict %s", report.Verdict)
	}
	var text bytes.Buffer
	if err := report.WriteJUnit(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`failures="1" skipped="0"`, `<failure message="1 lines, the first log:4" type="dangerous">policy candidate for aws_iid: `} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is not in\n%s", want, text.String())
		}
	}
}
