package replay_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/replay"
)

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

// TestJUnitOfNothing: where nothing was replayed CI must not see that all passed.
func TestJUnitOfNothing(t *testing.T) {
	report, err := replay.Run(t.Context(), []replay.Log{logOf("log", "{}")}, replay.Options{Candidate: replay.Baseline(), Now: noClock})
	if !errors.Is(err, replay.ErrNothing) {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteJUnit(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`failures="1" skipped="1"`, `<failure message="no decision could be replayed" type="none">`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is not in\n%s", want, text.String())
		}
	}
}
