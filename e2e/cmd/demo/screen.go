package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const indent = "     "

// screen prints numbered steps with what they show and how long they took, in
// colour on a terminal.
type screen struct {
	out      io.Writer
	colour   bool
	began    time.Time
	step     int
	stepFrom time.Time
}

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	now := time.Now()
	return &screen{out: out, colour: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", began: now, stepFrom: now}
}

// The escape codes of terminals.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return code + text + plain
}

// begin starts the next step.
func (s *screen) begin(title string) {
	s.took()
	s.step++
	s.stepFrom = time.Now()
	fmt.Fprintf(s.out, "\n%s %s\n", s.paint(bold, fmt.Sprintf("%3d.", s.step)), s.paint(bold, title))
}

// took ends a step with its time.
func (s *screen) took() {
	if s.step > 0 {
		fmt.Fprintln(s.out, indent+s.paint(dim, fmt.Sprintf("%.1f s", time.Since(s.stepFrom).Seconds())))
	}
}

func (s *screen) end() {
	s.took()
	fmt.Fprintf(s.out, "\nThat was all, in %.1f s. Everything is stopped again.\n", time.Since(s.began).Seconds())
}

// say prints text within a step.
func (s *screen) say(text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintln(s.out, strings.TrimRight(indent+line, " "))
	}
}

// field prints a name and a value.
func (s *screen) field(name, value string) {
	fmt.Fprintf(s.out, "%s%s %s\n", indent, s.paint(dim, fmt.Sprintf("%-18s", name)), value)
}

// quote prints what another program said.
func (s *screen) quote(command, output string) {
	s.say("")
	s.say(s.paint(dim, "$ "+command))
	s.say(strings.TrimSpace(output))
}

func (s *screen) good(text string) { s.say(s.paint(green, text)) }
func (s *screen) bad(text string)  { s.say(s.paint(red, text)) }

// Write implements io.Writer for the progress of long steps.
func (s *screen) Write(p []byte) (int, error) {
	s.say(string(p))
	return len(p), nil
}
