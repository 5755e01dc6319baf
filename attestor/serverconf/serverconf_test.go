package serverconf_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/attestor/serverconf"
	"github.com/spire-gatehouse/gatehouse/internal/testplugindata"
)

// TestDataIsWhatSPIREHandsOver reads each server.conf of plugindata's test data,
// beside which is what SPIRE's own code makes of it: e2e sees to that.
func TestDataIsWhatSPIREHandsOver(t *testing.T) {
	testplugindata.Each(t, "../plugindata", func(t *testing.T, dir string) {
		text, err := os.ReadFile(filepath.Join(dir, "server.conf"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, "plugin_data"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := serverconf.Parse(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(file.Plugins) != 1 {
			t.Fatalf("%d plugins", len(file.Plugins))
		}
		p := file.Plugins[0]
		data := p.Data
		if p.DataFile != "" {
			file, err := os.ReadFile(p.DataFile)
			if err != nil {
				t.Fatal(err)
			}
			data = string(file)
		}
		if data != string(want) {
			t.Errorf("got\n%s\nwant\n%s", data, want)
		}
		odd := []string{"split_plugin_data", "assigned_list", "header_block"}
		switch known := p.Written != ""; {
		case known == slices.Contains(odd, filepath.Base(dir)):
			t.Fatalf("plugin_data as written is %q", p.Written)
		case !known:
			return
		}
		// As written and as printed it is the same configuration.
		printed, written := plugindata.Parse(p.Data), plugindata.Parse(p.Written)
		if diff := cmp.Diff(messages(printed), messages(written)); diff != "" {
			t.Errorf("read as printed and as written: %s", diff)
		}
	})
}

// messages are the problems of an object nobody asks anything: all of its keys.
func messages(o *plugindata.Object) (all []string) {
	for _, p := range o.Problems() {
		all = append(all, p.Key+": "+p.Msg)
	}
	slices.Sort(all) // of one line, those of another are several
	return all
}

const inHCL = `server { trust_domain = "example.org" }
plugins {
    DataStore "sql" {
        plugin_data { database_type = "sqlite3" }
    }

    NodeAttestor "aws_iid" {
        plugin_cmd = "/opt/gatehouse"
        plugin_args = ["aws_iid"]
        plugin_checksum = "00ff"

        # as before
        plugin_data {
            partition = "aws"
        }
    }
    NodeAttestor "azure_msi" {
        enabled = false
        plugin_data_file = "azure.hcl"
    }
}
`

const inJSON = `{
  "server": {"trust_domain": "example.org"},
  "plugins": {
    "DataStore": [{"sql": [{"plugin_data": {"database_type": "sqlite3"}}]}],
    "NodeAttestor": [
      {"aws_iid": {
        "plugin_cmd": "/opt/gatehouse",
        "plugin_args": ["aws_iid"],
        "plugin_checksum": "00ff",
        "plugin_data":
          {"partition": "aws"}
      }},
      {"azure_msi": {
        "enabled": false,
        "plugin_data_file": "azure.hcl"
      }}
    ]
  }
}
`

func TestParse(t *testing.T) {
	ignored := cmpopts.IgnoreUnexported(serverconf.Plugin{})
	for name, tc := range map[string]struct {
		text  string
		want  []serverconf.Plugin
		lines []int // of plugin_cmd, plugin_checksum and plugin_data of the second plugin
	}{
		"HCL": {inHCL, []serverconf.Plugin{
			{Type: "DataStore", Name: "sql", Line: 3, Data: `database_type = "sqlite3"`, Written: "\n\n\n{ database_type = \"sqlite3\" }"},
			{
				Type: "NodeAttestor", Name: "aws_iid", Line: 7, Command: "/opt/gatehouse", Args: []string{"aws_iid"}, Checksum: "00ff",
				Data:    `partition = "aws"`,
				Written: "\n\n\n\n\n\n\n\n\n\n\n\n{\n            partition = \"aws\"\n        }",
			},
			{Type: "NodeAttestor", Name: "azure_msi", Line: 17, Disabled: true, DataFile: "azure.hcl"},
		}, []int{8, 10, 13}},
		"JSON": {inJSON, []serverconf.Plugin{
			{Type: "DataStore", Name: "sql", Line: 4, Data: "\"database_type\" = \"sqlite3\"", Written: "\n\n\n{\"database_type\": \"sqlite3\"}"},
			{
				Type: "NodeAttestor", Name: "aws_iid", Line: 6, Command: "/opt/gatehouse", Args: []string{"aws_iid"}, Checksum: "00ff",
				Data:    "\"partition\" = \"aws\"",
				Written: "\n\n\n\n\n\n\n\n\n\n{\"partition\": \"aws\"}",
			},
			{Type: "NodeAttestor", Name: "azure_msi", Line: 13, Disabled: true, DataFile: "azure.hcl"},
		}, []int{7, 9, 11}},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := serverconf.Parse(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&serverconf.File{TrustDomain: "example.org", HasPlugins: true, Plugins: tc.want}, file, ignored); diff != "" {
				t.Fatal(diff)
			}
			var lines []int
			for _, key := range []string{"plugin_cmd", "plugin_checksum", "plugin_data"} {
				lines = append(lines, file.Plugins[1].LineOf(key))
			}
			if diff := cmp.Diff(tc.lines, lines); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSize tries the bound on both sides.
func TestSize(t *testing.T) {
	if _, err := serverconf.Parse(strings.Repeat("\n", serverconf.MaxSize)); err != nil {
		t.Error(err)
	}
	if _, err := serverconf.Parse(strings.Repeat("\n", serverconf.MaxSize+1)); err == nil || err.Error() != "the file is longer than 1048576 bytes" {
		t.Errorf("one byte more: got %v", err)
	}
}

func TestParseErrors(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no HCL":            {"server {\n  trust_domain = \n}", "line 3: "},
		"no JSON":           {"{\n  \"plugins\": {,}}", ""},
		"declared twice":    {"plugins {\n NodeAttestor \"a\" {}\n NodeAttestor \"a\" {}\n}", `line 3: plugin NodeAttestor "a" is declared more than once`},
		"twice in a block":  {"plugins {\n NodeAttestor { \"a\" {}\n \"a\" {} }\n}", `line 3: plugin NodeAttestor "a" is declared more than once`},
		"data and its file": {"plugins {\n NodeAttestor \"a\" {\n plugin_data {}\n plugin_data_file = \"f\"\n}\n}", "line 4: plugin_data_file excludes plugin_data"},
		"plugins as text":   {`plugins = "none"`, "line 1: plugins is no block"},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := serverconf.Parse(tc.text)
			if err == nil || len(err.Error()) < len(tc.want) || err.Error()[:len(tc.want)] != tc.want {
				t.Errorf("got %v, %v; want %s", file, err, tc.want)
			}
		})
	}
}

// TestNoPlugins: a plugin_data is a configuration without plugins.
func TestNoPlugins(t *testing.T) {
	file, err := serverconf.Parse(`partition = "aws"`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&serverconf.File{}, file); diff != "" {
		t.Error(diff)
	}
}

func TestExpandEnv(t *testing.T) {
	env := func(name string) string { return map[string]string{"REGION": "us-west-2"}[name] }
	if got, want := serverconf.ExpandEnv("$REGION ${REGION} $$ $NONE.", env), "us-west-2 us-west-2 $ ."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(inHCL)
	f.Add(inJSON)
	f.Add("plugins { NodeAttestor \"a\" plugin_data { x = <<E\ny\nE\n} }")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := serverconf.Parse(text)
		if (file == nil) == (err == nil) {
			t.Errorf("got %v, %v", file, err)
		}
	})
}
