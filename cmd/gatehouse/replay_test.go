package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/spire-gatehouse/gatehouse/internal/testrecording"
	"github.com/spire-gatehouse/gatehouse/replay"
)

// TestReplay replays the beginning of what is recorded, with every command of
// docs/replay.md.
func TestReplay(t *testing.T) {
	lines, err := testrecording.First("../../testdata/replay/log", "aws_iid", 180)
	if err != nil {
		t.Fatal(err)
	}
	log := []byte(strings.Join(lines, "\n") + "\n")
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/replay",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			if err := os.Mkdir(filepath.Join(env.WorkDir, "decisions"), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(env.WorkDir, "decisions", "aws_iid.jsonl"), log, 0o600); err != nil {
				return err
			}
			return writeBundle(filepath.Join(env.WorkDir, "policy.tar.gz"), filepath.Join(env.WorkDir, "policy"))
		},
	})
}

// writeBundle makes a bundle of a directory's policies.
func writeBundle(name, dir string) error {
	b := bundle.Bundle{Data: map[string]any{}}
	b.Manifest.Init()
	files, err := filepath.Glob(filepath.Join(dir, "*.rego"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		path := "/" + filepath.Base(file)
		b.Modules = append(b.Modules, bundle.ModuleFile{URL: path, Path: path, Raw: text})
	}
	var packed bytes.Buffer
	if err := bundle.NewWriter(&packed).DisableFormat(true).Write(b); err != nil {
		return err
	}
	return os.WriteFile(name, packed.Bytes(), 0o600)
}

// TestReplayDocs: every command that docs/replay.md shows is run by the script.
func TestReplayDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/replay.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/replay/replay.txt")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^    (gatehouse .*)$`).FindAllSubmatch(page, -1)
	if len(commands) < 6 {
		t.Fatalf("docs/replay.md shows %d commands", len(commands))
	}
	for _, command := range commands {
		if !strings.Contains(string(script), string(command[1])) {
			t.Errorf("not run: %s", command[1])
		}
	}
}

func TestProgress(t *testing.T) {
	for _, tc := range []struct {
		read, total int64
		want        string
	}{
		{0, 100, "replaying [........................................]   0 %"},
		{50, 100, "replaying [####################....................]  50 %"},
		{200, 100, "replaying [########################################] 100 %"},
		{1500000, 0, "replaying: 1.5 MB"},
	} {
		if got := progress(tc.read, tc.total); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	var out bytes.Buffer
	showProgress(&out, []replay.Log{{Size: 1}}, new(atomic.Int64))()
	if out.Len() > 0 {
		t.Errorf("what is no terminal gets %q", out.String())
	}
}
