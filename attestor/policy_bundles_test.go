package attestor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/internal/testbundles"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

const bundlePath = "/bundles/policy.tar.gz"

// bundled is a service of one signed bundle, which has the test's own rules and no
// memory of nodes.
type bundled struct {
	*testbundles.Server
	key     *testbundles.Key
	persist string // a directory; empty for none
}

func newBundled(t *testing.T) *bundled {
	return &bundled{Server: testbundles.NewServer(t), key: testbundles.NewKey(t)}
}

// spec is a bundle with these files.
func (b *bundled) spec(revision string, files map[string]string) testbundles.Spec {
	all := map[string]string{"gatehouse/aws_iid/tofu.rego": tofuOff}
	for name, text := range files {
		all[name] = text
	}
	return testbundles.Spec{Files: all, Revision: revision, Key: b.key, KeyID: "release"}
}

func (b *bundled) publish(t *testing.T, revision string, files map[string]string) {
	t.Helper()
	b.Publish(bundlePath, testbundles.Build(t, b.spec(revision, files)))
}

const everySecond = "polling {\n min_delay_seconds = 1\n max_delay_seconds = 1\n }\n"

// config is a plugin_data with the bundle; extra goes into the block policy.
func (b *bundled) config(extra ...string) string {
	persist, directory := "", ""
	if b.persist != "" {
		persist, directory = "persist = true\n", fmt.Sprintf("persistence_directory = %q\n", b.persist)
	}
	return baseConfig + "policy {\n start_timeout = \"240s\"\n" + strings.Join(extra, "\n") + directory +
		fmt.Sprintf("service \"acme\" {\n url = %q\n }\n", b.URL) + b.key.KeyBlock("release") +
		fmt.Sprintf("bundle \"policy\" {\n service = \"acme\"\n resource = %q\n %s signing {\n keyid = \"release\"\n }\n %s }\n}\n", bundlePath, persist, everySecond)
}

// The life of a signed bundle at an HTTP service, step by step.
func TestPolicyBundle(t *testing.T) {
	b := newBundled(t)
	b.publish(t, "r1", map[string]string{"own.rego": selecting("own:1")})
	p := serve(t, newCloud(), &agentStore{})
	if _, err := p.config.Configure(t.Context(), configure(b.config())); err != nil {
		t.Fatal(err)
	}
	if line := p.logs.next(t, "Configured"); line["bundle_revisions"] != "policy=r1" {
		t.Errorf("logged %v", line)
	}
	p.wantOwn(t, "own:1")

	took := func(revision string, own ...string) {
		t.Helper()
		line := p.logs.next(t, policyTookOver)
		if line["bundle_revisions"] != "policy="+revision || line["policy_revision"] == line["previous_policy_revision"] {
			t.Errorf("logged %v", line)
		}
		p.wantOwn(t, own...)
	}
	t.Run("forward", func(t *testing.T) {
		b.publish(t, "r2", map[string]string{"own.rego": selecting("own:2")})
		took("r2", "own:2")
	})
	t.Run("and back", func(t *testing.T) {
		b.publish(t, "r1", map[string]string{"own.rego": selecting("own:1")})
		took("r1", "own:1")
	})
	t.Run("with data and a helper of the baseline's tests", func(t *testing.T) {
		spec := b.spec("r3", map[string]string{
			"own.rego": "package gatehouse.aws_iid\n\nselector contains data.acme.selector\n",
			"own_test.rego": "package own_test\n\nimport data.gatehouse.aws_iid\nimport data.gatehouse.aws_iid_test as good\n\n" +
				"test_own if \"own:data\" in aws_iid.selector with input as good.changed(good.decision_input, \"evidence/region\", \"eu-west-1\") with data.gatehouse.config as good.config\n",
		})
		spec.Data = map[string]any{"acme": map[string]any{"selector": "own:data"}}
		b.Publish(bundlePath, testbundles.Build(t, spec))
		took("r3", "own:data")
	})

	refuse := map[string]struct {
		bundle func() []byte
		msg    string // of the log line
		want   string // in its problem
	}{
		"a failing test": {
			func() []byte {
				return testbundles.Build(t, b.spec("bad", map[string]string{"own_test.rego": "package own_test\n\ntest_own if false\n"}))
			}, policyRefused, "own_test.rego:3: test_own fails",
		},
		"a built-in that policies don't get": {
			func() []byte {
				return testbundles.Build(t, b.spec("bad", map[string]string{"own.rego": "package gatehouse.aws_iid\n\nselector contains \"x\" if http.send({\"url\": \"http://x\", \"method\": \"get\"})\n"}))
			}, policyRefused, "own.rego:3: rego_type_error: undefined function http.send: policies can't have this built-in, for it reaches the network",
		},
		"data where the configuration is": {
			func() []byte {
				spec := b.spec("bad", nil)
				spec.Data = map[string]any{"gatehouse": map[string]any{"config": map[string]any{"partition": "aws-cn"}}}
				return testbundles.Build(t, spec)
			}, policyRefused, "data.gatehouse.config: policy data may not be where the plugin's configuration is",
		},
		"unsigned": {
			func() []byte {
				spec := b.spec("bad", nil)
				spec.Key = nil
				return testbundles.Build(t, spec)
			}, policyUnavailable, "bundle missing .signatures.json file",
		},
		"signed by another": {
			func() []byte {
				spec := b.spec("bad", nil)
				spec.Key = testbundles.NewKey(t)
				return testbundles.Build(t, spec)
			}, policyUnavailable, "failed to verify JWT signature",
		},
		"a delta": {
			func() []byte { return testbundles.Delta(t, "/acme/selector", "own:x") },
			policyUnavailable, "delta bundles do not support signature verification",
		},
		"of more files than a policy may have": {
			func() []byte {
				files := map[string]string{}
				for n := range 1001 {
					files[fmt.Sprintf("f%d.rego", n)] = fmt.Sprintf("package f%d\n", n)
				}
				return testbundles.Build(t, b.spec("bad", files))
			}, policyRefused, "policy has more than 1000 files",
		},
	}
	for name, tc := range refuse {
		t.Run("refused: "+name, func(t *testing.T) {
			b.Publish(bundlePath, tc.bundle())
			line := p.logs.next(t, tc.msg)
			if problem := fmt.Sprint(line["problem"]); !strings.Contains(problem, tc.want) {
				t.Errorf("logged %q, want %s", problem, tc.want)
			}
			p.wantOwn(t, "own:data")
		})
	}
	t.Run("good again", func(t *testing.T) {
		p.logs.reset()
		spec := b.spec("r4", map[string]string{"own.rego": selecting("own:4")})
		b.Publish(bundlePath, testbundles.Build(t, spec))
		took("r4", "own:4")
	})
	t.Run("service down", func(t *testing.T) {
		b.SetDown(true)
		if line := p.logs.next(t, policyUnavailable); line["problem"] != "server replied with Service Unavailable" || line["bundle"] != "policy" {
			t.Errorf("logged %v", line)
		}
		p.wantOwn(t, "own:4")
		b.SetDown(false)
		p.logs.next(t, policyGoodAgain)
		p.wantOwn(t, "own:4")
	})
	if b.Answered(bundlePath, 304) == 0 {
		t.Error("no request was answered with 304: OPA doesn't send the ETag of what is in force")
	}
}

// Several bundles, each with roots of its own, and data in one that a rule in the
// other reads.
func TestPolicyBundles(t *testing.T) {
	s := testbundles.NewServer(t)
	rules := testbundles.Spec{Revision: "r1", Roots: []string{"gatehouse"}, Files: map[string]string{
		"gatehouse/aws_iid/tofu.rego": tofuOff,
		"own.rego":                    "package gatehouse.aws_iid\n\nselector contains data.acme.selector\n",
	}}
	data := testbundles.Spec{Revision: "d1", Roots: []string{"acme"}, Data: map[string]any{"acme": map[string]any{"selector": "own:1"}}}
	s.Publish("/rules", testbundles.Build(t, rules))
	s.Publish("/data", testbundles.Build(t, data))
	p := serve(t, newCloud(), &agentStore{})
	config := baseConfig + fmt.Sprintf("policy {\n start_timeout = \"240s\"\n service \"s\" {\n url = %q\n }\n", s.URL) +
		"bundle \"rules\" {\n service = \"s\"\n resource = \"rules\"\n" + everySecond + "}\n" +
		"bundle \"data\" {\n service = \"s\"\n resource = \"data\"\n" + everySecond + "}\n}\n"
	if _, err := p.config.Configure(t.Context(), configure(config)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rules", "data"} {
		want := "policy.bundle." + name + ": comes over plain http and is not signed: whoever is on the way writes the policy"
		if line := p.logs.next(t, "Configuration weakens attestation"); line["warning"] != want {
			t.Errorf("warned of %v, want %s", line, want)
		}
	}
	if line := p.logs.next(t, "Configured"); line["bundle_revisions"] != "data=d1 rules=r1" {
		t.Errorf("logged %v", line)
	}
	p.wantOwn(t, "own:1")

	data.Revision, data.Data = "d2", map[string]any{"acme": map[string]any{"selector": "own:2"}}
	s.Publish("/data", testbundles.Build(t, data))
	if line := p.logs.next(t, policyTookOver); line["bundle_revisions"] != "data=d2 rules=r1" {
		t.Errorf("logged %v", line)
	}
	p.wantOwn(t, "own:2")

	// What replaces a file of the baseline is where its path says. So that is another way
	// to take a rule away without having its package among the roots.
	for path, want := range map[string]string{
		"gatehouse/aws_iid/instance_state.rego":   "gatehouse/aws_iid/instance_state.rego:1: replaces a file of package gatehouse.aws_iid, and is of package acme.lists",
		"gatehouse/aws_iid/partition.rego/x.rego": "read gatehouse/aws_iid/partition.rego: not a directory",
	} {
		p.logs.reset()
		data.Revision, data.Files = path, map[string]string{path: "package acme.lists\n"}
		s.Publish("/data", testbundles.Build(t, data))
		if line := p.logs.next(t, policyRefused); !strings.HasPrefix(fmt.Sprint(line["problem"]), want) {
			t.Errorf("logged %v, want %s", line, want)
		}
	}

	data.Files = nil
	data.Roots = []string{"acme", "gatehouse/aws_iid"}
	s.Publish("/data", testbundles.Build(t, data))
	if line := p.logs.next(t, policyUnavailable); line["bundle"] != "data" || !strings.Contains(fmt.Sprint(line["problem"]), "overlap") {
		t.Errorf("logged %v", line)
	}
	p.wantOwn(t, "own:2")
}

// A server that starts while the service is down goes on with what it took last,
// tested again; and with nothing else.
func TestPolicyBundlePersisted(t *testing.T) {
	b := newBundled(t)
	b.persist = t.TempDir()
	startWithin := func(t *testing.T, timeout string) (*plugin, error) {
		p := serve(t, newCloud(), &agentStore{})
		_, err := p.config.Configure(t.Context(), configure(strings.Replace(b.config(), "240s", timeout, 1)))
		return p, err
	}
	start := func(t *testing.T) (*plugin, error) { return startWithin(t, "240s") }
	b.SetDown(true)
	if _, err := startWithin(t, "3s"); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), `policy: bundle "policy" could not be taken within 3s: server replied with Service Unavailable`) {
		t.Fatalf("with nothing at all: got %v", err)
	}
	b.SetDown(false)
	b.publish(t, "r1", map[string]string{"own.rego": selecting("own:1")})
	p, err := start(t)
	if err != nil {
		t.Fatal(err)
	}
	b.publish(t, "bad", map[string]string{"own_test.rego": "package own_test\n\ntest_own if false\n"})
	p.logs.next(t, policyRefused)
	if err := p.under.Close(); err != nil {
		t.Fatal(err)
	}

	b.SetDown(true)
	t.Run("the last good one, not the last one", func(t *testing.T) {
		p, err := start(t)
		if err != nil {
			t.Fatal(err)
		}
		p.wantOwn(t, "own:1")
		b.publish(t, "r2", map[string]string{"own.rego": selecting("own:2")})
		b.SetDown(false)
		p.logs.next(t, policyTookOver)
		p.wantOwn(t, "own:2")
		if err := p.under.Close(); err != nil {
			t.Fatal(err)
		}
	})

	onDisk := filepath.Join(b.persist, "bundles", "policy", "bundle.tar.gz")
	b.key2(t, onDisk)
	t.Run("a bad one is nothing while the service is down", func(t *testing.T) {
		b.SetDown(true)
		if _, err := startWithin(t, "3s"); err == nil || !strings.Contains(err.Error(), "could not be taken within 3s") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("and no obstacle while it is not", func(t *testing.T) {
		b.SetDown(false)
		p, err := start(t)
		if err != nil {
			t.Fatal(err)
		}
		if line := p.logs.next(t, "Policy bundles"); !strings.Contains(fmt.Sprint(line["problem"]), "failed to verify JWT signature") {
			t.Errorf("logged %v", line)
		}
		p.wantOwn(t, "own:2")
	})
}

// key2 puts a bundle that another signed in the place of the one on disk.
func (b *bundled) key2(t *testing.T, file string) {
	t.Helper()
	spec := b.spec("evil", map[string]string{"own.rego": selecting("own:evil")})
	spec.Key = testbundles.NewKey(t)
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, testbundles.Build(t, spec), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A bad first bundle is a bad configuration: what was in force stays, and asking
// whether it is good changes nothing.
func TestPolicyBundleAtConfigure(t *testing.T) {
	good, bad := newBundled(t), newBundled(t)
	good.publish(t, "r1", map[string]string{"own.rego": selecting("own:1")})
	bad.publish(t, "bad", map[string]string{"own_test.rego": "package own_test\n\ntest_own if false\n"})
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, good.config())

	config := bad.config()
	const want = "policy: own_test.rego:3: test_own fails"
	if _, err := p.config.Configure(t.Context(), configure(config)); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
		t.Errorf("configure: got %v, want %s", err, want)
	}
	if notes := p.validate(t, config); len(notes) != 1 || notes[0] != want {
		t.Errorf("validate: got %q, want %s", notes, want)
	}
	good.persist = t.TempDir()
	if notes := p.validate(t, good.config()); notes != nil {
		t.Errorf("validate of a good one: got %q", notes)
	}
	if left, err := os.ReadDir(good.persist); err != nil || len(left) > 0 {
		t.Errorf("validating left %v, %v", left, err)
	}
	p.wantOwn(t, "own:1")
	good.publish(t, "r2", map[string]string{"own.rego": selecting("own:2")})
	p.logs.next(t, policyTookOver)
	p.wantOwn(t, "own:2")

	p.configure(t, baseConfig)
	testwait.Until(t, func() string { // who has told that it is at its end is so a little later
		if left := fetching(t); left != 0 {
			return fmt.Sprintf("%d bundles are still fetched", left)
		}
		return ""
	})
}

// validate asks whether a configuration is good, and returns what is not.
func (p *plugin) validate(t *testing.T, text string) []string {
	t.Helper()
	req := configure(text)
	resp, err := p.config.Validate(t.Context(), &configv1.ValidateRequest{CoreConfiguration: req.CoreConfiguration, HclConfiguration: text})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Notes
}

// fetching counts the goroutines that poll services.
func fetching(t *testing.T) int {
	t.Helper()
	var profile strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 2); err != nil {
		t.Fatal(err)
	}
	return strings.Count(profile.String(), "download.(*Downloader).loop(")
}

// A registry's image and a file on disk are bundles, too.
func TestPolicyBundleFromElsewhere(t *testing.T) {
	spec := testbundles.Spec{Revision: "r1", Files: map[string]string{"gatehouse/aws_iid/tofu.rego": tofuOff, "own.rego": selecting("own:1")}}
	file := filepath.Join(t.TempDir(), "policy.tar.gz")
	if err := os.WriteFile(file, testbundles.Build(t, spec), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := testbundles.NewRegistry(t)
	registry.Push("acme/policy", "latest", testbundles.Build(t, spec))
	host := strings.TrimPrefix(registry.URL, "http://")
	for name, config := range map[string]string{
		"file": fmt.Sprintf("bundle \"policy\" {\n resource = %q\n }\n", "file://"+file),
		"OCI": fmt.Sprintf("service \"r\" {\n url = %q\n type = \"oci\"\n }\n", registry.URL) +
			fmt.Sprintf("bundle \"policy\" {\n service = \"r\"\n resource = %q\n persist = true\n %s }\n persistence_directory = %q\n", host+"/acme/policy:latest", everySecond, t.TempDir()),
	} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, newCloud(), &agentStore{})
			if _, err := p.config.Configure(t.Context(), configure(baseConfig+"policy {\n start_timeout = \"240s\"\n"+config+"}\n")); err != nil {
				t.Fatal(err)
			}
			p.wantOwn(t, "own:1")
			if name == "OCI" {
				spec.Revision, spec.Files["own.rego"] = "r2", selecting("own:2")
				registry.Push("acme/policy", "latest", testbundles.Build(t, spec))
				if line := p.logs.next(t, policyTookOver); line["bundle_revisions"] != "policy=r2" {
					t.Errorf("logged %v", line)
				}
				p.wantOwn(t, "own:2")
			}
		})
	}
}
