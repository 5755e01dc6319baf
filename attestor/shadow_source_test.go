package attestor

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// shadowLines waits for n lines of the shadow policy in a decision log.
func (l logged) shadowLines(t *testing.T, n int) []map[string]any {
	t.Helper()
	var found []map[string]any
	testwait.Until(t, func() string {
		text, _ := os.ReadFile(l.path)
		found = nil
		for line := range strings.Lines(string(text)) {
			var event map[string]any
			if json.Unmarshal([]byte(line), &event) == nil && event["path"] == "gatehouse/aws_iid/shadow" {
				found = append(found, event)
			}
		}
		if len(found) >= n {
			return ""
		}
		return fmt.Sprintf("%d lines of %d:\n%s", len(found), n, text)
	})
	return found
}

// TestShadow runs a shadow policy through its life beside the policy in force:
// missing at first, good, edited, broken, looping, and gone.
func TestShadow(t *testing.T) {
	log, dir := newLogged(t), policyDir(filepath.Join(t.TempDir(), "shadow"))
	p := serveKind(t, within(tooLong, awsOf(t, newCloud())), &agentStore{})
	enforcing := newPolicyDir(t, map[string]string{"own.rego": selecting("own:enforced")})
	config := enforcing.config() + log.config()
	if _, err := p.config.Configure(t.Context(), configure(config+fmt.Sprintf("shadow { directory = %q }", string(dir)))); err != nil {
		t.Fatalf("a shadow policy that is not there: %v", err)
	}
	if line := p.logs.next(t, shadowRefused); !strings.Contains(fmt.Sprint(line["problem"]), "no such file or directory") {
		t.Errorf("logged %v", line)
	}
	revision := p.under.current.Load().engine.Revision()
	p.wantOwn(t, "own:enforced")

	// All at once, or some of it could take over before the rest.
	if err := os.Rename(string(newPolicyDir(t, map[string]string{"own.rego": selecting("own:shadow")})), string(dir)); err != nil {
		t.Fatal(err)
	}
	p.logs.next(t, shadowTookOver)
	p.wantOwn(t, "own:enforced")
	line := log.shadowLines(t, 1)[0]
	shadow := line["custom"].(map[string]any)["gatehouse"].(map[string]any)["shadow"].(map[string]any)
	if want := map[string]any{
		"revision": shadow["revision"], "outcome": "attested", "differences": []any{"selectors_gained", "selectors_lost"},
		"selectors_gained": []any{"own:shadow"}, "selectors_lost": []any{"own:enforced"},
	}; !reflect.DeepEqual(shadow, want) {
		t.Errorf("the log has %v, want %v", shadow, want)
	}
	var page map[string]map[string]any
	if err := json.Unmarshal([]byte("{"+blocks(t, "decision_log.md")[`"shadow": {`]+"}"), &page); err != nil {
		t.Fatal(err)
	}
	if page["shadow"]["revision"] = shadow["revision"]; !reflect.DeepEqual(shadow, page["shadow"]) {
		t.Errorf("the log has %v, docs/decision_log.md %v", shadow, page["shadow"])
	}
	if bundle := line["bundles"].(map[string]any)["gatehouse"].(map[string]any)["revision"]; bundle != shadow["revision"] || bundle == revision {
		t.Errorf("the line has revision %v, the policy in force is %s", bundle, revision)
	}
	if result := fmt.Sprint(line["result"]); line["input"] == nil || !strings.Contains(result, "own:shadow") {
		t.Errorf("the line has input %v and result %s", line["input"], result)
	}

	dir.write(t, "own.rego", "package gatehouse.aws_iid\n\nselector contains 7\n")
	p.logs.next(t, shadowRefused)
	p.wantOwn(t, "own:enforced")
	log.shadowLines(t, 2) // by the last good one

	dir.write(t, "own.rego", forNode(`selector contains "own:never"`, loops))
	p.logs.next(t, shadowTookOver)
	for range 5 {
		p.wantOwn(t, "own:enforced")
	}
	lines := log.shadowLines(t, 3)
	if text := fmt.Sprint(lines[2]["custom"]); !strings.Contains(text, "not answered within 3s") {
		t.Errorf("the log has %s", text)
	}

	p.configure(t, config)
	p.wantOwn(t, "own:enforced")
	if p.under.current.Load().shadow != nil || p.under.current.Load().engine.Revision() != revision {
		t.Error("the shadow policy is still there, or changed the one in force")
	}
	decisions := log.decisions(t, p)
	for _, d := range decisions {
		if d.Question != "decision" || d.Outcome.Shadow != nil || d.Outcome.Outcome != "attested" || d.Revisions["gatehouse"] != revision {
			t.Errorf("the log has decision %+v", d)
		}
	}
	if len(decisions) != 9 {
		t.Errorf("the log has %d decisions", len(decisions))
	}
	figures := p.figures(t)
	for name, want := range map[string]float64{
		"policy_changes{policy=shadow,result=refused}":   2,
		"policy_changes{policy=shadow,result=took_over}": 2,
		"attestations{outcome=attested}":                 9,
	} {
		if figures[name] != want {
			t.Errorf("%s is %v, want %v", name, figures[name], want)
		}
	}
	for name := range figures {
		if strings.HasPrefix(name, "policy_info{policy=shadow") {
			t.Errorf("%s is still there", name)
		}
	}
}

// TestShadowMasked: what a mask takes from results is not in what is said of them.
func TestShadowMasked(t *testing.T) {
	log, dir := newLogged(t), newPolicyDir(t, map[string]string{"own.rego": selecting("own:" + hush)})
	enforcing := newPolicyDir(t, map[string]string{"mask.rego": "package system.log\n\n# METADATA\n# title: Ours alone\nmask contains \"/result/selectors\"\n"})
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, enforcing.config()+log.config()+fmt.Sprintf("shadow { directory = %q }", string(dir)))
	for p.under.current.Load().shadow.engine.Load() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(log.shadowLines(t, 1)[0])
	if !strings.Contains(text, "differences:[selectors_gained]") || strings.Contains(text, hush) {
		t.Errorf("the log has %s", text)
	}
}

// TestShadowBundle: a shadow policy from a service that is down keeps nobody from
// being configured, and comes when the service does.
func TestShadowBundle(t *testing.T) {
	b := newBundled(t)
	p := serve(t, newCloud(), &agentStore{})
	text := strings.Replace(b.config(), "policy {", "shadow {", 1)
	if _, err := p.config.Configure(t.Context(), configure(text)); err != nil {
		t.Fatal(err)
	}
	p.logs.next(t, shadowUnavailable)
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Error(err)
	}
	b.publish(t, "r1", map[string]string{"own.rego": selecting("own:1")})
	if line := p.logs.next(t, shadowTookOver); line["bundle_revisions"] != "policy=r1" || line["previous_policy_revision"] != "" {
		t.Errorf("logged %v", line)
	}
	b.publish(t, "r2", map[string]string{"own.rego": "package gatehouse.aws_iid\n\nselector contains 7\n"})
	p.logs.next(t, shadowRefused)
	if err := p.under.Close(); err != nil {
		t.Error(err)
	}
}

// TestShadowConfig: the block has the keys of policy, and problems of its own name.
func TestShadowConfig(t *testing.T) {
	dir := t.TempDir()
	const bundle = "service \"s\" { url = \"https://s.example\" }\n bundle \"b\" {\n service = \"s\"\n resource = \"/b\"\n persist = true\n }\n"
	for text, want := range map[string]string{
		`shadow { directory = "` + dir + `" }`:                  "",
		`shadow { directory = "` + dir + `" baseline = false }`: "",
		`shadow {}`:                  "shadow.directory: is missing",
		`shadow { directori = "x" }`: "shadow.directori",
		"shadow {\n" + bundle + "}":  "shadow.bundle.b.persist: needs persistence_directory in the block shadow",
		"shadow {\n service \"s\" { url = \"https://s.example\" }\n directory = \"x\" }":                                                            "shadow.service: is of no use without a bundle block",
		"policy {\n persistence_directory = \"/var/lib/a\"\n" + bundle + "}\nshadow {\n persistence_directory = \"/var/lib/./a/\"\n" + bundle + "}": "shadow.persistence_directory: must be another than that of the block policy",
		"policy {\n persistence_directory = \"/var/lib/a\"\n" + bundle + "}\nshadow {\n persistence_directory = \"/var/lib/b\"\n" + bundle + "}":    "",
	} {
		for _, kind := range Kinds() {
			data := text
			if kind.Name() == "azure_msi" {
				data += "\ntenants { \"00000000-1111-2222-3333-444444444444\" {} }"
			}
			_, problems := kind.build(t.Context(), data, host{env: func(string) string { return "" }, now: time.Now, log: hclog.NewNullLogger()})
			switch got := fmt.Sprint(problems); {
			case want == "" && len(problems) > 0, !strings.Contains(got, want):
				t.Errorf("%s: %s:\ngot %s\nwant %s", kind.Name(), data, got, want)
			}
		}
	}
}
