package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

// configReport is what gatehouse config check says, as far as it is compared.
type configReport struct {
	Valid    bool
	Problems []configProblem
	Plugins  []struct {
		Valid    bool
		Problems []configProblem
	}
}

type configProblem struct {
	Line     int
	Key, Msg string
}

// checkConfig runs gatehouse config check on the server.conf of a configuration.
func checkConfig(t *testing.T, config spire.ServerConfig, env []string) configReport {
	t.Helper()
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	conf, err := config.Write(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), binary, "config", "check", "--format", "json", conf)
	command.Env = append(os.Environ(), env...)
	command.Stderr = &stderr
	output, err := command.Output()
	var report configReport
	if failed := json.Unmarshal(output, &report); failed != nil {
		t.Fatalf("%v: %v: %s%s", err, failed, output, stderr.String())
	}
	if (err == nil) != report.Valid || err != nil && command.ProcessState.ExitCode() != 1 {
		t.Errorf("valid: %v, but it ends with %v", report.Valid, err)
	}
	return report
}

// TestConfigCheckAgreesWithSPIRE gives configurations to spire-server validate,
// which starts the plugin, and to gatehouse config check, which does not start
// anything: their verdicts are the same, and every problem of plugin_data is in
// SPIRE's words too.
func TestConfigCheckAgreesWithSPIRE(t *testing.T) {
	t.Parallel()
	cloud := newAWS(t)
	good := serverConfig(t, cloud, cloud.PluginData()).NodeAttestors
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	withData := func(data string) string { return serverConfig(t, cloud, cloud.PluginData()+"\n"+data).NodeAttestors }
	withFile := func(file string) string {
		return strings.Replace(serverConfig(t, cloud, "").NodeAttestors, "plugin_data {", "plugin_data_file = \""+file+"\"\n unused {", 1)
	}
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	goodPolicy := filepath.Dir(write("good/owner.rego", "package gatehouse.aws_iid\n\nselector contains \"owner:us\"\n"))
	badPolicy := filepath.Dir(write("bad/owner.rego", "package gatehouse.aws_iid\n\nselector contains input.evidence.owner\n"))
	for _, tc := range []struct {
		name, block string
		valid       bool
	}{
		{"good", good, true},
		{"no checksum", strings.Replace(good, "plugin_checksum", "# plugin_checksum", 1), true},
		{"checksum of another", strings.Replace(good, `plugin_checksum = "`, `plugin_checksum = "0000`, 1), false},
		{"checksum that is none", strings.Replace(good, `plugin_checksum = "`, `plugin_checksum = "none" # `, 1), false},
		{"no program", strings.Replace(good, binary, "/nonexistent/gatehouse", 1), false},
		{"no arguments", strings.Replace(good, "plugin_args", "# plugin_args", 1), false},
		{"arguments of no plugin", strings.Replace(good, `["aws_iid"]`, `["gcp_iit"]`, 1), false},
		{"disabled, and bad", strings.Replace(withData(`partition = "moon"`), "plugin_cmd", "enabled = false\n plugin_cmd", 1), true},
		{"declared twice", good + good, false},
		{"no HCL", good + "\n = \n", false},
		{"unknown key", withData(`asume_role = "x"`), false},
		{"two problems", withData("partition = \"moon\"\n\n\ncloud_timeout = \"soon\""), false},
		{"unknown rule", withData(`enforcement = { tofoo = "warn" }`), false},
		{"policy", withData(`policy { directory = "` + goodPolicy + `" }`), true},
		{"bad policy", withData(`policy { directory = "` + badPolicy + `" }`), false},
		{"no such policy", withData(`policy { directory = "/nonexistent" }`), false},
		{"data in a file", withFile(write("good.hcl", cloud.PluginData())), true},
		{"bad data in a file", withFile(write("bad.hcl", "partition = \"moon\"")), false},
		{"no such file", withFile("/nonexistent"), false},
		{"data and a file", strings.Replace(good, "plugin_data {", "plugin_data_file = \"/nonexistent\"\n plugin_data {", 1), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := spire.ServerConfig{NodeAttestors: tc.block, Env: cloud.Env()}
			output, err := spire.Validate(t.Context(), binaries(t), config)
			if (err == nil) != tc.valid {
				t.Errorf("spire-server validate: %v: %s", err, output)
			}
			report := checkConfig(t, config, cloud.Env())
			if report.Valid != tc.valid {
				t.Errorf("config check: %+v", report)
			}
			for _, p := range report.Plugins {
				for _, problem := range p.Problems {
					if strings.HasPrefix(problem.Key, "plugin_") {
						continue // of the block, in words of its own
					}
					// SPIRE escapes what it prints, so that only the beginning is sure.
					begin, _, _ := strings.Cut(problem.Msg, `"`)
					if begin == "" || !strings.Contains(output, begin) {
						t.Errorf("SPIRE does not say %q: %s", problem.Msg, output)
					}
				}
			}
		})
	}
}

// TestDecideLive has the cloud asked about an agent's payload, with the credentials
// of a server.conf and no server.
func TestDecideLive(t *testing.T) {
	t.Parallel()
	cloud := newAWS(t)
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	conf, err := serverConfig(t, cloud, cloud.PluginData()).Write(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	node := scene{AWS: cloud}.boot(t, instanceID)
	for name, tc := range map[string]struct {
		url     string
		outcome string
		code    int
	}{
		"the cloud answers":      {cloud.URL, "attested", 0},
		"the cloud can't be had": {"http://127.0.0.1:1", "unavailable", 2},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), binary, "decide", "--plugin", "aws_iid", "--evidence", "-", "--live", "--config", conf, "--format", "json")
			command.Env = append(os.Environ(), append(cloud.Env(), "AWS_ENDPOINT_URL="+tc.url)...)
			command.Stdin = bytes.NewReader(node.Payload)
			var stderr bytes.Buffer
			command.Stderr = &stderr
			output, _ := command.Output()
			var decision struct {
				Outcome string
				AgentID string `json:"agent_id"`
			}
			if err := json.Unmarshal(output, &decision); err != nil {
				t.Fatalf("%v: %s%s", err, output, stderr.String())
			}
			if decision.Outcome != tc.outcome || decision.AgentID != firstAgent().ID || command.ProcessState.ExitCode() != tc.code {
				t.Errorf("exit code %d, %+v, %s", command.ProcessState.ExitCode(), decision, stderr.String())
			}
			for _, secret := range []string{"AKIA", "wJalr", "MII"} {
				if strings.Contains(string(output)+stderr.String(), secret) {
					t.Errorf("prints %s…", secret)
				}
			}
		})
	}
}
