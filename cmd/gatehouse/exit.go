package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// The exit codes, the same for every command.
const (
	exitYes    = 0 // done, allowed, valid
	exitNo     = 1 // the question was answered, with a no: denied, invalid, tests that fail
	exitFailed = 2 // no answer: a file that can't be read, a cloud that is not there
	exitUsage  = 3 // the command line makes no sense

	exitChanges = 4 // of replay: between yes and no
)

// exitCodes is for the end of a command's help. yes, no and failed say what
// the codes mean there; an empty one is not listed.
func exitCodes(yes, no, failed string) string {
	text := "\n\nExit codes:\n"
	for code, meaning := range []string{yes, no, failed, "the command line makes no sense"} {
		if meaning != "" {
			text += fmt.Sprintf("  %d  %s\n", code, meaning)
		}
	}
	return text
}

// errNo ends a command whose answer, given already, is no.
var errNo = errors.New("no")

// errChanges ends a replay whose answer, given already, is that a person has to want
// what changes.
var errChanges = errors.New("changes")

// usageError is an error in the command line.
type usageError struct{ error }

func usageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// failure is an error of a command that ran.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// run runs a command line, says what went wrong, and returns the exit code.
func run(root *cobra.Command, stderr io.Writer) int {
	markFailures(root)
	cmd, err := root.ExecuteC()
	var failed failure
	switch {
	case err == nil:
		return exitYes
	case errors.Is(err, errNo):
		return exitNo
	case errors.Is(err, errChanges):
		return exitChanges
	case errors.As(err, &failed) && !errors.As(err, new(usageError)):
		fmt.Fprintln(stderr, "gatehouse:", err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "gatehouse: %v\nSee %s --help.\n", err, cmd.CommandPath())
	return exitUsage
}

// markFailures has errors of commands that ran told from those of their command
// lines, which cobra reports in many forms.
func markFailures(cmd *cobra.Command) {
	if runE := cmd.RunE; runE != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := runE(cmd, args); err != nil {
				return failure{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markFailures(sub)
	}
}
