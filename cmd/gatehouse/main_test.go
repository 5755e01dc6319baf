package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gatehouse": main})
}

// scriptCommands are what scripts can do besides what testscript brings.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "tool": tool, "prints": prints}

// TestScripts runs the commands as a person would: see testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Cmds:  scriptCommands,
		Setup: setupScript,
	})
}

// setupScript tells scripts the program that they run as gatehouse, which is this
// very test binary.
func setupScript(env *testscript.Env) error {
	// Scripts run this very test binary as gatehouse.
	path, err := os.Executable()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(program)
	env.Setenv("SHA256", hex.EncodeToString(sum[:]))
	env.Setenv("GATEHOUSE", filepath.Join(filepath.SplitList(env.Getenv("PATH"))[0], "gatehouse"))
	return nil
}

// exits is a command of scripts: "exits 1 gatehouse …" runs a program as exec
// does, and wants that exit code.
func exits(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s\n%s", code, args[0], ts.ReadFile("stderr"))
	}
}

// tool is a command of scripts: "tool opa" builds that tool, pinned in go.mod or in
// a module of its own below tools/, and puts it in PATH.
func tool(ts *testscript.TestScript, negated bool, args []string) {
	modules := map[string]string{"opa": "../..", "regal": "../../tools/regal"}
	if negated || len(args) != 1 || modules[args[0]] == "" {
		ts.Fatalf("usage: tool opa|regal")
	}
	out, err := exec.Command("go", "-C", modules[args[0]], "tool", "-n", args[0]).Output()
	ts.Check(err)
	bin := filepath.Join(ts.Getenv("WORK"), ".bin")
	ts.Check(os.MkdirAll(bin, 0o755))
	ts.Check(os.Symlink(strings.TrimSpace(string(out)), filepath.Join(bin, args[0])))
	ts.Setenv("PATH", bin+string(os.PathListSeparator)+ts.Getenv("PATH"))
}

// prints is a command of scripts: "prints file program args..." runs a program and
// compares what it prints, errors too, with the file, in which … stands for anything.
func prints(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: prints file program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	if _, failed := errors.AsType[*exec.ExitError](err); !failed {
		ts.Check(err)
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(ts.ReadFile(args[0])), "…\n", "…")
	pattern = strings.ReplaceAll(pattern, "…", "(?s:.*)")
	if got := ts.ReadFile("stdout") + ts.ReadFile("stderr"); !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		ts.Fatalf("got\n%s\nwant\n%s", got, ts.ReadFile(args[0]))
	}
}
