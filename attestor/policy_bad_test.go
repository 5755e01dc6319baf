package attestor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/testbundles"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// whileAttesting attests all the while that do runs, and once more at least: no node
// may be refused, or get what the last good revision doesn't give. A node comes every 20 ms at most, as
// otherwise attesting would take the processor that the policy is loaded with.
func (p *plugin) whileAttesting(t *testing.T, want string, do func()) {
	t.Helper()
	good := payload(t, nil)
	stop, result := make(chan struct{}), make(chan error, 1)
	var attested atomic.Int64
	go func() {
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				result <- nil
				return
			case <-pace.C:
			}
			got, err := p.attest(t, good)
			if err == nil && !slices.ContainsFunc(got.SelectorValues, func(s string) bool { return s == want }) {
				err = fmt.Errorf("a node got %v", got.SelectorValues)
			}
			if err != nil {
				result <- err
				return
			}
			attested.Add(1)
		}
	}()
	do()
	before := attested.Load()
	testwait.Until(t, func() string {
		if attested.Load() > before || len(result) > 0 {
			return ""
		}
		return "nobody attested"
	})
	close(stop)
	if err := <-result; err != nil {
		t.Errorf("meanwhile: %v", err)
	}
}

// Bad policies in a directory, one after another: each is refused with a message
// that says why, and nobody's attestation suffers.
func TestBadPolicyDirectory(t *testing.T) {
	dir := policyDir(filepath.Join(t.TempDir(), "policy"))
	publish(t, dir, nil)
	p := serveKind(t, within(tooLong, awsOf(t, newCloud())), &agentStore{})
	p.configure(t, dir.config())
	rule := func(body string) map[string]string {
		return map[string]string{"bad.rego": "package gatehouse.aws_iid\n\n" + body + "\n"}
	}
	many := map[string]string{}
	for n := range 10_000 {
		many[fmt.Sprintf("many/f%d.rego", n)] = "package many\n"
	}
	steps := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"loops for ever", rule("selector contains \"x\" if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta * b == -1\n}"), "gatehouse.aws_iid.decision: not answered within 3s"},
		{"a comprehension in a comprehension", rule("selector contains \"x\" if count([1 | some a in numbers.range(1, 50000); [b | some b in numbers.range(1, 50000); b > a]]) == 1"), "not answered within 3s"},
		{"grows without end", rule("_s0 := \"xxxxxxxxxxxxxxxx\"\n" + doubling(40) + "\nselector contains \"x\" if count(_s40) == 1"), "tried on sample first_use.json: rego: gatehouse.aws_iid.decision: "}, // too large or too late
		{"recursion", rule("_a(n) := _b(n)\n\n_b(n) := _a(n)\n\nselector contains _a(1)"), "rego_recursion_error: rule data.gatehouse.aws_iid._a is recursive"},
		{"errors", rule("selector contains \"x\" if 1 / count(input.tofu) == to_number(input.plugin)"), "eval_builtin_error: to_number"},
		{"answers with the wrong type", rule("selector contains 7"), "gatehouse.aws_iid.decision: selectors: "},
		{"has two answers", rule("agent_path := \"/spire/agent/aws_iid/x\""), "eval_conflict_error: rule data.gatehouse.aws_iid.agent_path produced conflicting values"},
		{"a built-in that policies don't get", rule("selector contains opa.runtime().env.HOME"), "undefined function opa.runtime: policies can't have this built-in, for it shows the server's process"},
		{"half-written", map[string]string{"bad.rego": "package gatehouse.aws_iid\n\nselector contains \"x\" if {\n\tinput.plu"}, "bad.rego:4: rego_parse_error"},
		{"half-written data", map[string]string{"acme/data.json": `{"accounts": ["12`}, "acme/data.json: unexpected EOF"},
		{"10,000 files", many, "policy has more than 1000 files"},
		{"100 MB of data", map[string]string{"acme/data.json": strings.Repeat(" ", 100_000_000)}, "acme/data.json: is larger than 4194304 bytes"},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			p.whileAttesting(t, "own:good", func() {
				publish(t, dir, step.files)
				line := p.logs.next(t, policyRefused)
				if problem := fmt.Sprint(line["problem"]); !strings.Contains(problem, step.want) {
					t.Errorf("logged %q, want %s", problem, step.want)
				}
				publish(t, dir, nil)
				p.logs.next(t, policyGoodAgain)
			})
		})
	}
	p.whileAttesting(t, "own:good", func() {
		if err := os.Remove(string(dir)); err != nil {
			t.Fatal(err)
		}
		if line := p.logs.next(t, policyRefused); !strings.HasSuffix(fmt.Sprint(line["problem"]), "no such file or directory") {
			t.Errorf("the directory vanished: logged %v", line)
		}
		// So it looks when a volume isn't mounted any more.
		if err := os.MkdirAll(string(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if line := p.logs.next(t, policyRefused); !strings.HasPrefix(fmt.Sprint(line["problem"]), "there are no files in it") {
			t.Errorf("the directory is empty: logged %v", line)
		}
	})
	p.countedPolicies(t, map[string]float64{"refused": float64(len(steps) + 2)})
}

// publish swaps a directory, a link, at once for one with the good files and these.
func publish(t *testing.T, dir policyDir, files map[string]string) {
	t.Helper()
	folder, err := os.MkdirTemp(filepath.Dir(string(dir)), "next")
	if err != nil {
		t.Fatal(err)
	}
	next := policyDir(folder)
	next.write(t, "gatehouse/aws_iid/tofu.rego", tofuOff)
	next.write(t, "own.rego", selecting("own:good"))
	for name, text := range files {
		next.write(t, name, text)
	}
	if err := errors.Join(os.Symlink(folder, string(dir)+".new"), os.Rename(string(dir)+".new", string(dir))); err != nil {
		t.Fatal(err)
	}
}

// doubling has each rule be twice the one before.
func doubling(times int) string {
	var rules strings.Builder
	for n := range times {
		fmt.Fprintf(&rules, "\n_s%d := concat(\"\", [_s%d, _s%d])\n", n+1, n, n)
	}
	return rules.String()
}

// Bad bundles likewise.
func TestBadPolicyBundle(t *testing.T) {
	b := newBundled(t)
	good := map[string]string{"own.rego": selecting("own:good")}
	b.publish(t, "good", good)
	p := serveKind(t, within(tooLong, awsOf(t, newCloud())), &agentStore{})
	p.configure(t, b.config())
	unsigned, forged := b.spec("bad", nil), b.spec("bad", nil)
	unsigned.Key, forged.Key = nil, testbundles.NewKey(t)
	for _, step := range []struct {
		name   string
		bundle []byte
		msg    string
		want   string
	}{
		{"unsigned", testbundles.Build(t, unsigned), policyUnavailable, "bundle missing .signatures.json file"},
		{"forged", testbundles.Build(t, forged), policyUnavailable, "failed to verify JWT signature"},
		{"delta", testbundles.Delta(t, "/x", 1), policyUnavailable, "delta bundles do not support signature verification"},
		{"bomb", testbundles.Bomb(t, 17, 4<<20), policyUnavailable, "the archive unpacks to more than 67108864 bytes"},
		{"loops for ever", testbundles.Build(t, b.spec("bad", map[string]string{"bad.rego": "package gatehouse.aws_iid\n\nselector contains \"x\" if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta * b == -1\n}\n"})), policyRefused, "not answered within 3s"},
	} {
		t.Run(step.name, func(t *testing.T) {
			p.whileAttesting(t, "own:good", func() {
				b.Publish(bundlePath, step.bundle)
				line := p.logs.next(t, step.msg)
				if problem := fmt.Sprint(line["problem"]); !strings.Contains(problem, step.want) {
					t.Errorf("logged %q, want %s", problem, step.want)
				}
			})
		})
	}
	b.publish(t, "good", good)
	p.logs.next(t, policyGoodAgain)
	p.countedPolicies(t, map[string]float64{"refused": 1, "unavailable": 4})
}
