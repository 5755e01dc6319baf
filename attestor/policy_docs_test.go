package attestor

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testbundles"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// blocks returns the indented blocks of a page, by the first line of each.
func blocks(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	first, block, blank := "", "", ""
	for line := range strings.Lines(string(text) + "\n.\n") {
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented && block == "":
			first, block = strings.TrimSpace(code), code
		case indented:
			block += blank + code
			blank = ""
		case line == "\n":
			blank += line
			continue
		case block != "":
			all[first] = block
			block = ""
		}
		blank = ""
	}
	return all
}

// TestPolicyPage holds docs/policy.md to what it shows of configuration and log.
func TestPolicyPage(t *testing.T) {
	page := blocks(t, "policy.md")
	rule := `package gatehouse.aws_iid

# METADATA
# title: The instance was launched in the last hour
# description: Nothing but what the page quotes of it matters.
admission_violation contains {"rule": "launch_age", "msg": msg} if {
	not input.evidence.pending_time == input.time
	msg := $"instance {input.evidence.instance_id} was launched at {input.evidence.pending_time}"
}
`
	config, problems := buildAWSIID(page["policy {"]+page["shadow {"]+page["enforcement = {"], environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := awsDefaults(func(c *awsIIDConfig) {
		c.Policy = policySource{Directory: "/etc/gatehouse/policy"}
		c.Shadow = &policySource{Directory: "/etc/gatehouse/candidate"}
		c.Enforcement = map[string]string{"launch_age": "warn"}
	})
	if !reflect.DeepEqual(config, want) {
		t.Errorf("the configuration is %+v", config)
	}
	for name, tc := range map[string]struct{ old, new, want string }{
		"as it stands": {},
		"with a typo":  {"evidence.instance_id", "evidence.acount_id", problemOf(t, page)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newPolicyDir(t, map[string]string{"launch_age.rego": strings.Replace(rule, tc.old, tc.new, 1)})
			loader := policyLoader{plugin: "aws_iid", source: policySource{Directory: string(dir)}, config: config.policyConfig()}
			_, err := loader.load(t.Context())
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(oneLine(err.Error()), tc.want)):
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// TestPolicyPageBundles configures what docs/policy.md shows of bundles, with a
// service, a key and places of the test's own.
func TestPolicyPageBundles(t *testing.T) {
	b, dir := newBundled(t), t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.RequireToken("token")
	b.Publish("/spire/policy.tar.gz", testbundles.Build(t, b.spec("r1", map[string]string{"own.rego": selecting("own:1")})))
	block := blocks(t, "policy.md")["policy { # from a service"]
	_, pem, _ := strings.Cut(block, "<<EOF\n")
	pem, _, _ = strings.Cut(pem, "EOF\n")
	for old, changed := range map[string]string{
		"https://bundles.example.org": b.URL,
		"/run/secrets/bundles":        token,
		"/var/lib/gatehouse":          dir,
		pem:                           b.key.Public,
	} {
		if strings.Count(block, old) != 1 {
			t.Fatalf("the page has %q %d times", old, strings.Count(block, old))
		}
		block = strings.Replace(block, old, changed, 1)
	}
	p := serve(t, newCloud(), &agentStore{})
	if _, err := p.config.Configure(t.Context(), configure(baseConfig+block)); err != nil {
		t.Fatal(err)
	}
	p.wantOwn(t, "own:1")
	testwait.Until(t, func() string { // after it has taken over
		if _, err := os.Stat(filepath.Join(dir, "bundles", "policy", "bundle.tar.gz")); err != nil {
			return "the bundle is not persisted: " + err.Error()
		}
		return ""
	})
}

// problemOf is the problem that the page quotes from a log.
func problemOf(t *testing.T, page map[string]string) string {
	t.Helper()
	for first := range page {
		if strings.HasPrefix(first, `level=error msg="`+policyRefused+`"`) {
			_, quoted, _ := strings.Cut(first, `problem="`)
			return strings.TrimSuffix(quoted, " …")
		}
	}
	t.Fatal("the page quotes no problem")
	return ""
}

// TestGuideConfiguration reads the configuration that docs/authors_guide.md shows;
// its commands and files are run in cmd/gatehouse.
func TestGuideConfiguration(t *testing.T) {
	page := blocks(t, "authors_guide.md")
	config, problems := buildAWSIID(page["policy {"]+page["enforcement = {"], environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := awsDefaults(func(c *awsIIDConfig) {
		c.Policy = policySource{Directory: "/etc/gatehouse/policy"}
		c.Enforcement = map[string]string{"launch_age": "warn"}
	})
	if !reflect.DeepEqual(config, want) {
		t.Errorf("the configuration is %+v", config)
	}
}

// TestNoMergeIsLeft: no page has both sides of a change that met another.
func TestNoMergeIsLeft(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatal(pages, err)
	}
	for _, name := range append(pages, "../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "<<<<<<< ") || line == "=======" || strings.HasPrefix(line, ">>>>>>> ") {
				t.Errorf("%s:%d: %s", name, i+1, line)
			}
		}
	}
}
