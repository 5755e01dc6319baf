package rego_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

const extra = "gatehouse/aws_iid/extra.rego"

func baselineFile(t *testing.T, name string) string {
	t.Helper()
	content, err := fs.ReadFile(policies.Baseline(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestLoadReportsEveryProblem(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  []string
	}{
		"syntax": {map[string]string{
			extra:                         "package gatehouse.aws_iid\n\nviolation contains if\n",
			"gatehouse/aws_iid/more.rego": "package\n",
			"data.json":                   "{",
		}, []string{
			extra + ":3: rego_parse_error",
			"gatehouse/aws_iid/more.rego:2: rego_parse_error",
			"data.json: unexpected EOF",
		}},
		"empty file": {map[string]string{extra: "\n"}, []string{extra + ":0: rego_parse_error: empty module"}},
		"misspelt input": {map[string]string{
			extra: "package gatehouse.aws_iid\n\nexempt contains \"x\" if input.evidence.acount_id == \"1\"\n\nexempt contains \"y\" if input.fact\n",
		}, []string{
			extra + ":3: rego_type_error: undefined ref: input.evidence.acount_id",
			extra + ":5: rego_type_error: undefined ref: input.fact",
		}},
		"misspelt input in a baseline file": {map[string]string{
			"gatehouse/aws_iid/tofu.rego": "package gatehouse.aws_iid\n\nviolation contains \"x\" if input.tofu.atested\n",
		}, []string{"gatehouse/aws_iid/tofu.rego:3: rego_type_error: undefined ref: input.tofu.atested"}},
		"misspelt configuration": {map[string]string{
			extra: "package gatehouse.aws_iid\n\nexempt contains \"x\" if data.gatehouse.config.partion == \"aws\"\n",
		}, []string{extra + ":3: rego_type_error: undefined ref: data.gatehouse.config.partion"}},
		"misspelt input in a package below": {map[string]string{
			"gatehouse/aws_iid/eks/eks.rego": "package gatehouse.aws_iid.eks\n\nx if input.evidence.acount_id == \"1\"\n",
		}, []string{"gatehouse/aws_iid/eks/eks.rego:3: rego_type_error: undefined ref: input.evidence.acount_id"}},
		"misspelt input in a test": {map[string]string{
			"gatehouse/aws_iid/extra_test.rego": "package gatehouse.aws_iid\n\ntest_x if input.evidence.acount_id == \"1\"\n",
		}, []string{"gatehouse/aws_iid/extra_test.rego:3: rego_type_error: undefined ref: input.evidence.acount_id"}},
		"strict": {map[string]string{
			extra: "package gatehouse.aws_iid\n\nexempt contains \"x\" if {\n\tunused := 1\n}\n",
		}, []string{extra + ":4: rego_compile_error: assigned var unused unused"}},
		"wrong type": {map[string]string{
			extra: "package gatehouse.aws_iid\n\nexempt contains \"x\" if input.evidence.region == 1\n",
		}, []string{extra + ":3: rego_type_error: match error"}},
		"removed built-ins": {map[string]string{
			extra: `package gatehouse.aws_iid

exempt contains http.send({"method": "get", "url": "http://x"}).body

exempt contains "x" if time.now_ns() > 1

exempt contains "y" if opa.runtime().env.HOME

exempt contains "z" if net.lookup_ip_addr("x")

exempt contains "n" if rand.intn("x", 2) == 1

exempt contains uuid.rfc4122("x")
`,
		}, []string{
			extra + ":3: rego_type_error: undefined function http.send: policies can't have this built-in, for it reaches the network",
			extra + ":5: rego_type_error: undefined function time.now_ns: policies can't have this built-in, for it reads the clock; use input.time",
			extra + ":7: rego_type_error: undefined function opa.runtime",
			extra + ":9: rego_type_error: undefined function net.lookup_ip_addr",
			extra + ":11: rego_type_error: undefined function rand.intn",
			extra + ":13: rego_type_error: undefined function uuid.rfc4122",
		}},
		"no entrypoint": {map[string]string{
			"gatehouse/aws_iid/aws_iid.rego": `# METADATA
# schemas:
#   - input: schema.aws_iid
#   - data.gatehouse.config: schema.aws_iid_config
package gatehouse.aws_iid

violation contains "x" if false

admission_violation contains "x" if false

required_fact contains "x" if false
`,
			"gatehouse/aws_iid/aws_iid_test.rego": "package gatehouse.aws_iid_test\n",
		}, []string{
			"package gatehouse.aws_iid has no rule admission",
			"package gatehouse.aws_iid has no rule decision",
		}},
		"no schemas declared": {map[string]string{
			"gatehouse/aws_iid/aws_iid.rego": strings.NewReplacer(
				"# schemas:\n", "",
				"#   - input: schema.aws_iid\n", "",
				"#   - data.gatehouse.config: schema.aws_iid_config\n", "",
			).Replace(baselineFile(t, "gatehouse/aws_iid/aws_iid.rego")),
		}, []string{
			"the METADATA of package gatehouse.aws_iid does not say that input has the schema schema.aws_iid",
			"the METADATA of package gatehouse.aws_iid does not say that data.gatehouse.config has the schema schema.aws_iid_config",
		}},
		"rule over the configuration": {map[string]string{
			extra: "package gatehouse.config\n\npartition := \"aws\"\n",
		}, []string{extra + ":3: "}},
		"rule beside the configuration": {map[string]string{
			extra: "package gatehouse.config\n\nassume_role := \"x\"\n",
		}, []string{extra + ":3: data.gatehouse.config is the plugin's configuration; no rule may define it"}},
		// Each would let in whom the baseline refuses.
		"helpers of other files": {map[string]string{
			extra: `package gatehouse.aws_iid

_alive if input.evidence.region == "us-west-2"

_alive if input.time

_own := 1 if _alive

_own := 2 if not _alive

warning contains {"rule": "own", "msg": "own"} if _own == 1
`,
			"other.rego": "package gatehouse.aws_iid\n\n_membership := \"x\" if input.time\n",
			"third.rego": "package lib.third\n\n_alive := 1\n",
		}, []string{
			"gatehouse/aws_iid/instance_state.rego:26: rule _alive is in " + extra + ":3, too: one that begins with an underscore belongs to one file",
			"other.rego:3: rule _membership is in gatehouse/aws_iid/organization.rego:52, too: ",
		}},
		"data over the configuration": {map[string]string{
			"gatehouse/config/data.json": `{"partition": "aws-cn"}`,
		}, []string{"data.gatehouse.config: policy data may not be where the plugin's configuration is"}},
		"data beside the configuration": {map[string]string{
			"gatehouse/data.yaml": "config: {other: 1}",
		}, []string{"data.gatehouse.config: policy data may not be where the plugin's configuration is"}},
		"data over a rule": {map[string]string{
			"gatehouse/aws_iid/data.json": `{"decision": {}}`,
		}, []string{"rego_compile_error: conflicting rule for data path gatehouse/aws_iid/decision found"}},
		"data twice": {map[string]string{
			"a/data.json":   `{"b": {"c": 1}}`,
			"a/b/data.yaml": "c: 2",
		}, []string{"a/data.json: data.a.b.c is there already, from another file"}},
		"data that is a list": {map[string]string{"a/data.json": `[]`}, []string{"a/data.json: is no object at its top"}},
		"data of another name": {map[string]string{
			"accounts.json": `{}`, "a/accounts.yaml": "", "a/b.yml": "",
		}, []string{"accounts.json: would not be read", "a/accounts.yaml: would not be read", "a/b.yml: would not be read"}},
		"broken schema": {map[string]string{"schemas/x.json": "{"}, []string{"schemas/x.json: unexpected EOF"}},
		"rule in a test file": {map[string]string{
			"gatehouse/aws_iid/deny_test.rego": "package gatehouse.aws_iid\n\nviolation contains {\"rule\": \"x\", \"msg\": \"y\"}\n",
		}, []string{"gatehouse/aws_iid/deny_test.rego:3: rule violation is in a test file, which is never evaluated"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opts := overlayOptions(t, tt.files)
			opts.SelfTest = func(file string) bool { return tt.files[file] != "" }
			_, err := rego.New(t.Context(), opts)
			if err == nil {
				t.Fatal("loaded")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestLoadRefusesOptions(t *testing.T) {
	for want, change := range map[string]func(*rego.Options){
		"plugin name":               func(o *rego.Options) { o.Plugin = "aws-iid" },
		"package gatehouse.gcp_iit": func(o *rego.Options) { o.Plugin = "gcp_iit" },
		"there is no policy":        func(o *rego.Options) { o.Policy = nil },
		"nowhere.rego: replaces a file of package gatehouse.aws_iid, and is no policy": func(o *rego.Options) { o.Replaces = []string{"nowhere.rego"} },
		"timeout -1s is negative": func(o *rego.Options) { o.Timeout = -1e9 },
		"configuration: json":     func(o *rego.Options) { o.Config = map[string]any{"x": func() {}} },
		"has no rule admission":   func(o *rego.Options) { o.Policy = fstest.MapFS{} },
		"is larger than 4194304 bytes": func(o *rego.Options) {
			o.Policy = fstest.MapFS{"x.rego": {Data: bytes.Repeat([]byte("#"), 4<<20+1)}}
		},
	} {
		opts := baselineOptions()
		change(&opts)
		if _, err := rego.New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// What a policy may have besides rules of its own.
func TestLoadAccepts(t *testing.T) {
	tests := map[string]map[string]string{
		"data": {
			"gatehouse/aws_iid/accounts/data.yaml": "ids: ['123456789012']",
			extra:                                  "package gatehouse.aws_iid\n\nwarning contains {\"rule\": \"r\", \"msg\": \"m\"} if input.evidence.account_id in data.gatehouse.aws_iid.accounts.ids\n",
		},
		"library": {
			"lib/x/x.rego": "package lib.x\n\nf(y) := y\n",
			extra:          "package gatehouse.aws_iid\n\nimport data.lib.x\n\nwarning contains {\"rule\": \"r\", \"msg\": \"m\"} if x.f(true)\n",
		},
		"print": {
			extra: "package gatehouse.aws_iid\n\nwarning contains {\"rule\": \"r\", \"msg\": \"m\"} if print(input)\n",
		},
		"metadata": {
			extra: "package gatehouse.aws_iid\n\n# METADATA\n# title: m\nwarning contains {\"rule\": \"r\", \"msg\": msg} if msg := rego.metadata.rule().title\n",
		},
		"fixed clock": {
			extra: "package gatehouse.aws_iid\n\nwarning contains {\"rule\": \"r\", \"msg\": \"m\"} if time.parse_rfc3339_ns(input.time) == 1767355200000000000\n",
		},
		"files of other kinds": {
			"README.md": "x", ".manifest": "{}", ".git/x.rego": "no rego", "LICENSE": "x",
			extra: "package gatehouse.aws_iid\n\nwarning contains {\"rule\": \"r\", \"msg\": \"m\"}\n",
		},
	}
	want := "[{r m}]"
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := newEngine(t, overlayOptions(t, files)).Decide(t.Context(), decisionInput())
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Warnings) != 1 || got.Warnings[0] != (rego.Violation{Rule: "r", Msg: "m"}) {
				t.Errorf("got %v, want %s", got.Warnings, want)
			}
		})
	}
}

// Tests are checked with the policy, but what they define is not there when it
// is evaluated.
func TestTestsAreNotEvaluated(t *testing.T) {
	engine := newEngine(t, overlayOptions(t, map[string]string{
		"lib/x_test.rego": "package lib.x_test\n\nyes := true\n",
		extra:             "package gatehouse.aws_iid\n\nwarning contains {\"rule\": \"r\", \"msg\": \"m\"} if data.lib.x_test.yes\n",
	}))
	got, err := engine.Decide(t.Context(), decisionInput())
	if err != nil {
		t.Fatal(err)
	}
	if got.Warnings != nil {
		t.Errorf("got %v", got.Warnings)
	}
}

// A file at the same path replaces the baseline's; an engine made before goes on
// as it was.
func TestReplacedRule(t *testing.T) {
	old := baselineEngine(t, baselineOptions().Config)
	replaced := newEngine(t, overlayOptions(t, map[string]string{
		"gatehouse/aws_iid/agent_path.rego": "package gatehouse.aws_iid\n\nagent_path := concat(\"/\", [\"/spire/agent/aws_iid\", input.evidence.instance_id])\n",
	}))
	for engine, want := range map[*rego.Engine]string{
		old:      goodPath,
		replaced: "/spire/agent/aws_iid/i-0123456789abcdef0",
	} {
		got, err := engine.Decide(t.Context(), decisionInput())
		if err != nil || got.AgentPath != want {
			t.Errorf("got %q, %v, want %q", got.AgentPath, err, want)
		}
	}
}

// Each rule's file may be emptied: the sets are declared elsewhere.
func TestEmptiedRules(t *testing.T) {
	for _, name := range []string{
		"account", "block_device", "eks_cluster", "instance_profile", "instance_state", "organization",
		"partition", "selectors", "signature_strength", "tofu",
	} {
		opts := overlayOptions(t, map[string]string{"gatehouse/aws_iid/" + name + ".rego": "package gatehouse.aws_iid\n"})
		got, err := newEngine(t, opts).Decide(t.Context(), decisionInput())
		if err != nil || got.Denials() != nil {
			t.Errorf("%s: %v, %v", name, got.Denials(), err)
		}
	}
}

// Kubernetes mounts a ConfigMap as symbolic links into a hidden directory.
func TestLoadFollowsLinksToFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, overlay(t, nil)); err != nil {
		t.Fatal(err)
	}
	hidden := filepath.Join(dir, "..data")
	if err := os.Mkdir(hidden, 0o755); err != nil {
		t.Fatal(err)
	}
	rule := "package gatehouse.aws_iid\n\nwarning contains {\"rule\": \"linked\", \"msg\": \"m\"}\n"
	if err := os.WriteFile(filepath.Join(hidden, "linked.rego"), []byte(rule), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..data/linked.rego", filepath.Join(dir, "linked.rego")); err != nil {
		t.Fatal(err)
	}
	opts := baselineOptions()
	opts.Policy = os.DirFS(dir)
	got, err := newEngine(t, opts).Decide(t.Context(), decisionInput())
	if err != nil || len(got.Warnings) != 1 {
		t.Errorf("got %v, %v", got.Warnings, err)
	}

	if err := os.Symlink("gatehouse", filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	if _, err := rego.New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "linked: is a symbolic link to a directory, which is not followed") {
		t.Errorf("got %v", err)
	}
}
