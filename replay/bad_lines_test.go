package replay_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// TestBadLines: what can't be replayed is counted and told, with its line, and the
// rest is replayed.
func TestBadLines(t *testing.T) {
	lines := linesOf(t, "aws_iid")
	config, good := lines[0], attested(t, lines)
	tag := changed(t, good, "input.facts.instance.tags", map[string]any{})
	templated := changed(t, changed(t, changed(t, good, "custom.gatehouse.outcome", "denied"), "result", nil), "path", "gatehouse/aws_iid/admission")
	templated = changed(t, templated, "custom.gatehouse.rules", []any{map[string]any{"rule": "agent_path_template", "effect": "denied"}})
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
		"agent ID masked and the result unreadable, against a policy": {line: changed(t, changed(t, changed(t, good, "custom.gatehouse.agent_id", nil), "result.agent_path", 1), "erased", []string{"/custom/gatehouse/agent_id"}), against: true,
			skipped: true, want: replay.Remark{Why: "has its agent's ID masked, so that it can't be told whose first use it was", Detail: "/custom/gatehouse/agent_id"}},
		"result masked": {line: changed(t, changed(t, good, "result", nil), "erased", []string{"/result"}),
			skipped: true, want: replay.Remark{Why: "has masked parts, so that what was recorded can't come out again: compare with another policy by --against", Detail: "/result"}},
		"evidence masked, against a policy": {line: changed(t, changed(t, good, "input.evidence", nil), "erased", []string{"/input/evidence"}), against: true,
			skipped: true, want: replay.Remark{Why: "has an input without evidence, time or trust domain, which no policy is asked about"}},
		"template of the path": {line: templated,
			skipped: true, want: replay.Remark{Why: "was refused by the plugin and not by policy: agent_path_template"}},
		"template of the path, against a policy": {line: templated, against: true,
			skipped: true, want: replay.Remark{Why: "was refused by the plugin and not by policy: agent_path_template"}},
		"unknown configuration": {line: changed(t, good, "custom.gatehouse.config", "another"),
			skipped: true, want: replay.Remark{Why: "is made with a configuration that the log does not have: give it with --config"}},
		"later version": {line: changed(t, good, "input.moon", "full"),
			skipped: true, want: replay.Remark{Why: "has an input that this version can't read: another version of Gatehouse wrote it", Detail: `rego: input document: unknown field "moon"`}},
		"result of another version": {line: changed(t, good, "result.selectors", "all"),
			skipped: true, want: replay.Remark{Why: "has a result that this version can't read: an answer out of shape, or of another version of Gatehouse",
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
