package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/spire-gatehouse/gatehouse/attestor/configcheck"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// TestDecideScripts runs gatehouse decide on what decideFiles makes.
func TestDecideScripts(t *testing.T) {
	authority, err := awsiid.New("us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/decide",
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error { return decideFiles(authority, env.WorkDir) },
	})
}

// decideFiles writes what a person would decide about: payload.json, which an agent
// sent, forged.json, with another instance in it, and the certificates to verify
// them with; input.json and replay.json, inputs of a first use and a later one; and
// decisions.jsonl, the log of both.
func decideFiles(authority *awsiid.Authority, dir string) error {
	payload, err := authority.Payload(awsiid.NewDocument("us-west-2").JSON())
	if err != nil {
		return err
	}
	certificates := filepath.Join(dir, "certificates")
	if err := os.Mkdir(certificates, 0o700); err != nil {
		return err
	}
	if err := authority.WriteCertificates(certificates); err != nil {
		return err
	}
	files := map[string][]byte{
		"payload.json": payload,
		"forged.json":  bytes.Replace(payload, []byte("i-0b22a22eec53b9321"), []byte("i-0b22a22eec53b9322"), 1),
	}
	var log bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&log, format+"\n", args...) }
	line(`{"path": "gatehouse/config", "decision_id": "c0", "result": {"partition": "aws-cn", "agent_path_template": ""}, "custom": {"gatehouse": {"config": "china"}}}`)
	line(`{"path": "gatehouse/aws_iid/verify", "decision_id": "d0"}`)
	line(`{"path": "gatehouse/config", "decision_id": "c1", "result": {"partition": "aws", "agent_path_template": "", "enforcement": {"partition": "warn"}}, "custom": {"gatehouse": {"config": "aws"}}}`)
	for file, sample := range map[string]string{"input.json": "first_use.json", "replay.json": "replay.json"} {
		if files[file], err = os.ReadFile("../../policies/samples/aws_iid/" + sample); err != nil {
			return err
		}
	}
	for id, d := range [][2]string{{"input.json", "attested"}, {"replay.json", "denied"}} {
		var input bytes.Buffer
		if err := json.Compact(&input, files[d[0]]); err != nil {
			return err
		}
		line(`{"path": "gatehouse/aws_iid/decision", "decision_id": "d%d", "input": %s, "custom": {"gatehouse": {"outcome": %q, "config": "aws"}}}`, id+1, input.String(), d[1])
	}
	masked := bytes.ReplaceAll(files["input.json"], []byte(`"blog"`), []byte(`"**"`))
	line(`{"path": "gatehouse/aws_iid/decision", "decision_id": "d3", "masked": ["/input/facts/instance/tags/Name", "/result"], "input": %s, "custom": {"gatehouse": {"config": "aws"}}}`,
		strings.ReplaceAll(string(masked), "\n", ""))
	line(`{"path": "gatehouse/aws_iid/decision", "decision_id": "d4", "input": {"plu`) // torn
	files["decisions.jsonl"] = log.Bytes()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// TestConfigScripts runs gatehouse config. Scripts run this very test binary.
func TestConfigScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/config",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			path, err := os.Executable()
			if err != nil {
				return err
			}
			sum, err := configcheck.Checksum(path)
			env.Setenv("SHA256", sum)
			return err
		},
	})
}

// TestCommandsPage: a script runs each command that docs/commands.md shows.
func TestCommandsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/*/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]bool{}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^(?:exec|exits \d) (gatehouse .*)$`).FindAllStringSubmatch(string(text), -1) {
			run[match[1]] = true
		}
	}
	shown := regexp.MustCompile(`(?m)^    (gatehouse .*)$`).FindAllStringSubmatch(string(page), -1)
	if len(shown) < 5 {
		t.Errorf("the page shows %d commands", len(shown))
	}
	for _, match := range shown {
		if !run[match[1]] {
			t.Errorf("no script runs %q", match[1])
		}
	}
}
