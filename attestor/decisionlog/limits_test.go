package decisionlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/plugins/logs"

	"github.com/spire-gatehouse/gatehouse/internal/opasecret"
)

// TestLineSizes tries what a line may be on both sides.
func TestLineSizes(t *testing.T) {
	logged, logger := newServerLog()
	l := newLog(testLabels, logger, nil)
	e := denial(t, nil, "1")
	size := func(padding int) (int, bool) {
		e.Outcome.FactErrors = []string{strings.Repeat("x", padding)}
		made, _ := l.lineOf(t.Context(), e)
		return len(made.json), bytes.Contains(made.json, []byte("the line was too long"))
	}
	least, _ := size(0)
	if n, withheld := size(maxLine - least); n != maxLine || withheld {
		t.Errorf("a decision of %d bytes: got %d, withheld %t", maxLine, n, withheld)
	}
	if n, withheld := size(maxLine - least + 1); n > least || !withheld {
		t.Errorf("one byte more: got %d, withheld %t", n, withheld)
	}

	config := func(n int) *line {
		value, err := NewPolicyConfig(map[string]any{"text": strings.Repeat("x", n)})
		if err != nil {
			t.Fatal(err)
		}
		return l.configLine(&Event{Config: value, Time: noon})
	}
	least = len(config(0).json)
	if c := config(maxConfigLine - least); c == nil || len(c.json) != maxConfigLine {
		t.Errorf("a configuration of %d bytes is not there", maxConfigLine)
	}
	if c := config(maxConfigLine - least + 1); c != nil {
		t.Error("one byte more: it is there")
	}
	if said := logged.lines(t, "Decision log lacks a configuration: what is decided with it can't be replayed"); len(said) != 1 || said[0]["error"] != "its line has 8388609 bytes, more than 8388608" {
		t.Errorf("the server's log has %v", said)
	}
}

// TestReaderLineSizes: a reader takes the longest line that is written, at the end of
// a file and before another one.
func TestReaderLineSizes(t *testing.T) {
	const decision = `{"decision_id":"1","path":"gatehouse/aws_iid/decision"}`
	whole := decision + strings.Repeat(" ", maxConfigLine-len(decision))
	for _, end := range []string{"", "\n"} {
		if _, err := NewReader(strings.NewReader(whole + end)).NextLine(); err != nil {
			t.Errorf("a line of %d bytes and %q: got %v", maxConfigLine, end, err)
		}
		if _, err := NewReader(strings.NewReader(whole + " " + end)).NextLine(); !errors.Is(err, ErrLong) {
			t.Errorf("one byte more, and %q: got %v", end, err)
		}
	}
}

// TestConsoleSizes: what fits in a line of SPIRE's log is whole. Of what doesn't all
// but input and result is there, and if that is too long, that it happened.
func TestConsoleSizes(t *testing.T) {
	show := func(l *line) string {
		logged, logger := newServerLog()
		(&console{log: logger}).show(l)
		text, _ := logged.lines(t, "Decision")[0]["event"].(string)
		return text
	}
	whole := strings.Repeat("x", maxConsoleText-len(`""`))
	if got := show(&line{json: []byte(whole)}); got != whole {
		t.Errorf("%d bytes of %d that just fit are there", len(got), len(whole))
	}
	long := &line{logs.EventV1{DecisionID: "1", Path: "p"}, []byte(whole + "x")}
	short := func(padding int) string {
		long.event.Path = strings.Repeat("p", padding)
		return show(long)
	}
	least := len(short(1)) - 1
	if got := short(maxConsoleText/2 - least); len(got) != maxConsoleText/2 || !strings.Contains(got, `"erased":["/input","/result"]`) || !json.Valid([]byte(got)) {
		t.Errorf("without input and result: %d bytes: %.200s", len(got), got)
	}
	if got, want := short(maxConsoleText/2-least+1), `{"decision_id":"1","erased":["/"]}`; got != want {
		t.Errorf("one byte more: got %.200s, want %s", got, want)
	}
}

// TestProblemSize: what a service answers doesn't fill the server's log.
func TestProblemSize(t *testing.T) {
	for n, want := range map[int]int{maxProblem: maxProblem, maxProblem + 1: maxProblem} {
		logged, logger := newServerLog()
		newOPALogger(logger, opasecret.Redactor{}).Error("%s", strings.Repeat("é", n))
		said, _ := logged.lines(t, "Decision log upload")[0]["problem"].(string)
		if got := utf8.RuneCountInString(said); got != want {
			t.Errorf("%d characters: got %d, want %d", n, got, want)
		}
	}
}
