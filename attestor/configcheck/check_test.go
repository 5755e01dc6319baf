package configcheck_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/attestor/configcheck"
)

// serverConf is a server.conf with one plugin, whose plugin_data begins in line 9.
func serverConf(data string) string {
	return `server { trust_domain = "example.org" }
plugins {
    DataStore "sql" { plugin_data { database_type = "sqlite3" } }
    NodeAttestor "aws_iid" {
        plugin_cmd = "/opt/gatehouse/bin/gatehouse"
        plugin_args = ["aws_iid"]
        plugin_checksum = "` + strings.Repeat("0", 64) + `"

        plugin_data {
` + data + `
        }
    }
}
`
}

// dataFrom is a server.conf whose one plugin has its data in a file.
func dataFrom(file string) string {
	return strings.Replace(serverConf(""), "\n        plugin_data {", "\n plugin_data_file = \""+file+"\"\n unused {", 1)
}

// secretless is an azure_msi with an app that lacks its secret, in JSON.
const secretless = `{"plugins": {
  "NodeAttestor": {"azure_msi": {
    "plugin_cmd": "gatehouse",
    "plugin_args": ["azure_msi"],
    "plugin_data": {
      "tenants": {"9e85c8ac-a9a4-4a1b-9f9e-8d4e4d5a3b7d": {"app_id": "x"}},
      "cloud_timeout":
        "soon"
    }}}}}`

func TestProblems(t *testing.T) {
	dir := t.TempDir()
	dataFile := filepath.Join(dir, "plugin_data.hcl")
	if err := os.WriteFile(dataFile, []byte("# of aws_iid\n\npartition = \"moon\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(dir, "policy")
	if err := os.Mkdir(policy, 0o700); err != nil {
		t.Fatal(err)
	}
	rule := "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"a\", \"msg\": input.evidense.account_id}\n"
	if err := os.WriteFile(filepath.Join(policy, "a.rego"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	plugin := func(line int, key, msg string) []configcheck.Problem {
		return []configcheck.Problem{{File: "server.conf", Line: line, Key: key, Msg: msg}}
	}
	for name, tc := range map[string]struct {
		text   string
		opts   configcheck.Options
		file   []configcheck.Problem // the file's
		plugin []configcheck.Problem // its one plugin's
	}{
		"good": {text: serverConf(`partition = "aws"`)},
		"several, in their lines": {
			text: serverConf("# first\n\nasume_role = \"x\"\n\nenforcement { a = \"no\"\n b = \"never\" }"),
			plugin: []configcheck.Problem{
				{File: "server.conf", Line: 12, Key: "asume_role", Msg: `unknown key; did you mean "assume_role"?`},
				{File: "server.conf", Line: 14, Key: "enforcement.a", Msg: `must be "deny", "warn" or "off"`},
				{File: "server.conf", Line: 15, Key: "enforcement.b", Msg: `must be "deny", "warn" or "off"`},
			},
		},
		"lines in what is said": {
			text:   serverConf("\npartition = \"aws\"\n\npartition = \"aws-cn\""),
			plugin: plugin(13, "partition", "is set twice, in lines 11 and 13"),
		},
		"of a form that can't be followed": {
			text:   strings.NewReplacer("\n        plugin_data {", "\n plugin_data = [{", "\n        }\n    }", "\n}] }").Replace(serverConf(`cloud_timeout = "soon"`)),
			plugin: plugin(9, "", "this is a list; key = value pairs belong here (line 1 of what SPIRE makes of plugin_data)"),
		},
		"in JSON": {
			text: secretless,
			plugin: []configcheck.Problem{
				{File: "server.conf", Line: 6, Key: "tenants.9e85c8ac-a9a4-4a1b-9f9e-8d4e4d5a3b7d.app_id", Msg: "must be a GUID such as "},
				{File: "server.conf", Line: 6, Key: "tenants.9e85c8ac-a9a4-4a1b-9f9e-8d4e4d5a3b7d.app_secret", Msg: "is missing"},
				{File: "server.conf", Line: 7, Key: "cloud_timeout", Msg: `want a duration with its unit, such as "90s" or "5m"`},
			},
		},
		"in a file of its own": {
			text:   dataFrom(dataFile),
			plugin: []configcheck.Problem{{File: dataFile, Line: 3, Key: "partition", Msg: "must be aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f or aws-eusc"}},
		},
		"in a file that is not there": {
			text:   dataFrom("/nonexistent"),
			plugin: plugin(9, "plugin_data_file", "open /nonexistent: no such file or directory"),
		},
		"policy": {
			text:   serverConf(`policy { directory = "` + policy + `" }`),
			plugin: plugin(9, "", "a.rego:3: rego_type_error: undefined ref: input.evidense.account_id"),
		},
		"shadow policy": {
			text:   serverConf(`shadow { directory = "` + policy + `" }`),
			plugin: plugin(9, "shadow", "a.rego:3: rego_type_error: undefined ref: input.evidense.account_id"),
		},
		"trust domain": {
			text:   strings.Replace(serverConf(""), "example.org", "a b", 1),
			plugin: plugin(9, "", "SPIRE's core configuration: trust_domain: trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores"),
		},
		"arguments of another": {
			text:   strings.Replace(serverConf(""), `["aws_iid"]`, `["azure_msi"]`, 1),
			plugin: plugin(6, "plugin_args", `is "azure_msi" in NodeAttestor "aws_iid": agents would find no attestor of their name`),
		},
		"no arguments": {
			text:   strings.Replace(serverConf(""), `plugin_args = ["aws_iid"]`, "", 1),
			plugin: plugin(4, "plugin_args", `must be one of Gatehouse's plugins, as in plugin_args = ["aws_iid"]: aws_iid, azure_msi`),
		},
		"no checksum": {
			text:   strings.Replace(serverConf(""), strings.Repeat("0", 64), "deadbeef", 1),
			plugin: plugin(7, "plugin_checksum", "is no SHA-256 checksum, which has 64 hexadecimal digits"),
		},
		"no plugin of ours": {
			text: strings.Replace(serverConf(""), "bin/gatehouse", "bin/other", 1),
			file: plugin(0, "", "has no NodeAttestor whose plugin_cmd is a program called gatehouse; name one with --plugin"),
		},
		"none of that name": {
			text: serverConf(""), opts: configcheck.Options{Plugin: "azure_msi"},
			file: plugin(0, "", `has no NodeAttestor "azure_msi"`),
		},
		"under another name": {
			text: strings.Replace(serverConf(`partition = "moon"`), "bin/gatehouse", "bin/other", 1), opts: configcheck.Options{Plugin: "aws_iid"},
			plugin: plugin(10, "partition", "must be aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f or aws-eusc"),
		},
		"a plugin_data": {
			text: "\npartition = \"moon\"", opts: configcheck.Options{Plugin: "aws_iid"},
			plugin: plugin(2, "partition", "must be aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f or aws-eusc"),
		},
		"a plugin_data of nobody": {
			text: `partition = "aws"`,
			file: plugin(0, "", "has no plugins; if it is a plugin_data, say whose with --plugin"),
		},
		"no configuration": {
			text: "plugins {\n  NodeAttestor = = 3\n}",
			file: plugin(2, "", ""),
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.opts.NoBinary = true
			report := configcheck.Check(t.Context(), "server.conf", tc.text, tc.opts)
			if report.Valid != (tc.file == nil && tc.plugin == nil) {
				t.Errorf("valid: %v", report.Valid)
			}
			compare(t, tc.file, report.Problems)
			var found []configcheck.Problem
			for _, p := range report.Plugins {
				found = append(found, p.Problems...)
				if p.Valid != (tc.plugin == nil) {
					t.Errorf("%s is valid: %v", p.Name, p.Valid)
				}
			}
			compare(t, tc.plugin, found)
		})
	}
}

// compare takes the beginning of what is said for all of it.
func compare(t *testing.T, want, got []configcheck.Problem) {
	t.Helper()
	for i := range got {
		if i < len(want) && strings.HasPrefix(got[i].Msg, want[i].Msg) {
			got[i].Msg = want[i].Msg
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInForce(t *testing.T) {
	dir := t.TempDir()
	rule := "package gatehouse.aws_iid\n\n# METADATA\n# title: Ours\nviolation contains {\"rule\": \"ours\", \"msg\": \"no\"} if not input.peer.ip\n\noptional_fact contains \"eks\"\n"
	file := filepath.Join(dir, "ours.rego")
	if err := os.WriteFile(file, []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	tofu := filepath.Join(dir, "gatehouse", "aws_iid", "tofu.rego")
	if err := errors.Join(os.MkdirAll(filepath.Dir(tofu), 0o755), os.WriteFile(tofu, []byte("package gatehouse.aws_iid\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	text := serverConf("disable_instance_profile_selectors = true\npolicy { directory = \"" + dir + "\" }\nshadow { directory = \"" + dir + "\" }\nenforcement { ours = \"warn\" }")
	report := configcheck.Check(t.Context(), "server.conf", text, configcheck.Options{NoBinary: true})
	if !report.Valid {
		t.Fatalf("%+v", report)
	}
	p := report.Plugins[0]
	in := p.InForce
	if in.PolicySource != dir+" over the baseline" || len(in.PolicyRevision) != 64 {
		t.Errorf("policy %q, revision %q", in.PolicySource, in.PolicyRevision)
	}
	if s := in.Shadow; s == nil || s.PolicySource != dir+" over the baseline" || s.PolicyRevision != in.PolicyRevision {
		t.Errorf("shadow %+v", s)
	}
	if diff := cmp.Diff([][]string{{"instance"}, {"eks"}}, [][]string{in.RequiredFacts, in.OptionalFacts}); diff != "" {
		t.Error(diff)
	}
	rules := map[string]configcheck.Rule{}
	for _, rule := range in.Rules {
		rules[rule.Rule] = rule
	}
	if diff := cmp.Diff(configcheck.Rule{Rule: "ours", Title: "Ours", File: file, Line: 5, Enforcement: "warn"}, rules["ours"]); diff != "" {
		t.Error(diff)
	}
	want := configcheck.Rule{Rule: "account", Title: "The account is an allowed one", File: "gatehouse/aws_iid/account.rego", Line: 8, Enforcement: "deny"}
	if diff := cmp.Diff(want, rules["account"]); diff != "" {
		t.Error(diff)
	}
	warnings := []string{
		"enforcement: rule ours is at warn: what it refuses gets in",
		"policy: replaces the baseline's gatehouse/aws_iid/tofu.rego: what those refuse, only the policy's own rules refuse",
	}
	if diff := cmp.Diff(warnings, p.Warnings); diff != "" {
		t.Error(diff)
	}
}

func TestDisabled(t *testing.T) {
	text := strings.Replace(serverConf(`partition = "moon"`), "plugin_cmd", "enabled = false\n plugin_cmd", 1)
	report := configcheck.Check(t.Context(), "server.conf", text, configcheck.Options{})
	want := configcheck.Report{File: "server.conf", Valid: true, Plugins: []configcheck.Plugin{{Name: "aws_iid", Line: 4, Disabled: true}}}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
}

func TestBinary(t *testing.T) {
	program := filepath.Join(t.TempDir(), "gatehouse")
	if err := os.WriteFile(program, []byte("program"), 0o700); err != nil {
		t.Fatal(err)
	}
	sum, err := configcheck.Checksum(program)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8"; sum != want {
		t.Fatalf("checksum %s, want %s", sum, want)
	}
	zero := strings.Repeat("0", 64)
	for name, tc := range map[string]struct {
		command, configured string
		want                configcheck.Binary
		problem, warning    string
	}{
		"right":     {command: program, configured: sum, want: configcheck.Binary{Path: program, Checksum: sum, Configured: sum}},
		"upper":     {command: program, configured: strings.ToUpper(sum), want: configcheck.Binary{Path: program, Checksum: sum, Configured: strings.ToUpper(sum)}},
		"another":   {command: program, configured: zero, want: configcheck.Binary{Path: program, Checksum: sum, Configured: zero}, problem: "is not that of the program, which is " + sum},
		"none":      {command: program, want: configcheck.Binary{Path: program, Checksum: sum}, warning: "plugin_checksum is not set: SPIRE starts whatever is at plugin_cmd"},
		"not there": {command: program + "/gatehouse", configured: sum, want: configcheck.Binary{Path: program + "/gatehouse", Configured: sum}, problem: "can't be started: "},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer("/opt/gatehouse/bin/gatehouse", tc.command, zero, tc.configured).Replace(serverConf(""))
			report := configcheck.Check(t.Context(), "server.conf", text, configcheck.Options{})
			p := report.Plugins[0]
			if diff := cmp.Diff(&tc.want, p.Binary); diff != "" {
				t.Error(diff)
			}
			var problem, warning string
			for _, found := range p.Problems {
				problem += found.Msg
			}
			for _, found := range p.Warnings {
				warning += found
			}
			if !strings.HasPrefix(problem, tc.problem) || (problem == "") != (tc.problem == "") || warning != tc.warning {
				t.Errorf("problem %q, warning %q", problem, warning)
			}
			if report.Valid != (tc.problem == "") {
				t.Errorf("valid: %v", report.Valid)
			}
		})
	}
}
