package main

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/spf13/cobra"
)

func TestExitCodes(t *testing.T) {
	for name, tc := range map[string]struct {
		args   []string
		err    error // of the command, where it runs
		code   int
		stderr string
	}{
		"yes":           {args: []string{"ask"}, code: exitYes},
		"no":            {args: []string{"ask"}, err: errNo, code: exitNo},
		"no answer":     {args: []string{"ask"}, err: errors.New("no such file"), code: exitFailed, stderr: "gatehouse: no such file\n"},
		"senseless":     {args: []string{"ask"}, err: usageErrorf("--a excludes --b"), code: exitUsage, stderr: "gatehouse: --a excludes --b\nSee gatehouse ask --help.\n"},
		"no such flag":  {args: []string{"ask", "--c"}, code: exitUsage, stderr: "gatehouse: unknown flag: --c\nSee gatehouse ask --help.\n"},
		"one too many":  {args: []string{"ask", "what"}, code: exitUsage, stderr: "gatehouse: unknown command \"what\" for \"gatehouse ask\"\nSee gatehouse ask --help.\n"},
		"no such thing": {args: []string{"chek"}, code: exitUsage, stderr: "gatehouse: unknown command \"chek\" for \"gatehouse\"\nSee gatehouse --help.\n"},
		"of a group":    {args: []string{"config", "aks"}, code: exitUsage, stderr: "gatehouse: unknown command \"aks\" for \"gatehouse config\"\nSee gatehouse config --help.\n"},
		"a group":       {args: []string{"config"}, code: exitYes},
		"help":          {args: []string{"ask", "--help"}, err: errNo, code: exitYes},
	} {
		t.Run(name, func(t *testing.T) {
			root := newRoot()
			root.AddCommand(&cobra.Command{Use: "ask", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return tc.err }})
			root.AddCommand(newGroup("config", "Look at configuration"))
			root.SetArgs(tc.args)
			root.SetOut(io.Discard)
			var stderr bytes.Buffer
			if code := run(root, &stderr); code != tc.code || stderr.String() != tc.stderr {
				t.Errorf("exit code %d, want %d; stderr\n%swant\n%s", code, tc.code, stderr.String(), tc.stderr)
			}
		})
	}
}

func TestExitCodesOfHelp(t *testing.T) {
	want := "\n\nExit codes:\n  0  the policy is good\n  2  the policy can't be read\n  3  the command line makes no sense\n"
	if got := exitCodes("the policy is good", "", "the policy can't be read"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
