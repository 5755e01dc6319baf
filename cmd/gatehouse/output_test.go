package main

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
)

func TestAnswer(t *testing.T) {
	document := struct {
		Allowed bool   `json:"allowed"`
		Path    string `json:"path"`
	}{true, "<a>"}
	for format, want := range map[string]string{
		"text": "allowed\n",
		"json": "{\n  \"allowed\": true,\n  \"path\": \"<a>\"\n}\n",
	} {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		a := answer{format}
		if err := a.check(); err != nil {
			t.Error(err)
		}
		if err := a.give(cmd, document, func(p *page) { p.printf("%s\n", p.good("allowed")) }); err != nil {
			t.Error(err)
		}
		if out.String() != want {
			t.Errorf("%s: got %q, want %q", format, out.String(), want)
		}
	}
	if err := (&answer{"yaml"}).check(); err == nil || err.Error() != `--format "yaml" is neither text nor json` {
		t.Errorf("yaml: %v", err)
	}
}

func TestColours(t *testing.T) {
	p := &page{colour: true}
	if got, want := p.bad("denied"), "\x1b[31mdenied\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := p.bad(""); got != "" {
		t.Errorf("nothing in red is %q", got)
	}
}

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"tag Größe: 5 €":     "tag Größe: 5 €",
		"a\x1b[2Jb\nc\u202e": `a\u001b[2Jb\u000ac\u202e`,
	} {
		if got := shown(text); got != want {
			t.Errorf("shown(%q) is %q, want %q", text, got, want)
		}
	}
}
