package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// answer is how a command gives its answer: to people as text, to machines as
// one JSON document.
type answer struct{ format string }

// flag adds --format to a command.
func (a *answer) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.format, "format", "text", "how to answer: text or json")
}

// check refuses another format than those. It is for the beginning of a command,
// which should do nothing before a typing error is found.
func (a *answer) check() error {
	if a.format != "text" && a.format != "json" {
		return usageErrorf("--format %q is neither text nor json", a.format)
	}
	return nil
}

// give writes the document as JSON, or has text write the same for people.
func (a *answer) give(cmd *cobra.Command, document any, text func(*page)) error {
	w := cmd.OutOrStdout()
	if a.format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(document)
	}
	p := newPage(w)
	text(p)
	return p.err
}

// page is text for people: with colours on a terminal, and nowhere else.
type page struct {
	w      io.Writer
	colour bool
	err    error // the first of writing; what comes after it is not written
}

// newPage writes to w. NO_COLOR, if it is set and not empty, is heeded.
func newPage(w io.Writer) *page {
	file, isFile := w.(*os.File)
	return &page{w: w, colour: isFile && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd()))}
}

// printf writes formatted text.
func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// Each of these marks a text. The mark adds nothing that a person without colours
// would miss: words say it too.
func (p *page) good(text string) string  { return p.paint("32", text) } // green
func (p *page) bad(text string) string   { return p.paint("31", text) } // red
func (p *page) warn(text string) string  { return p.paint("33", text) } // yellow
func (p *page) faint(text string) string { return p.paint("2", text) }
func (p *page) bold(text string) string  { return p.paint("1", text) }

func (p *page) paint(code, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// shown is text from outside made safe for a terminal: what could move the cursor
// or change colours is escaped, line ends too.
func shown(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
