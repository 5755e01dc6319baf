package attestor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// tofuOff lets the tests attest one node again and again.
const tofuOff = "package gatehouse.aws_iid\n"

func selecting(value string) string {
	return fmt.Sprintf("package gatehouse.aws_iid\n\nselector contains %q\n", value)
}

// policyDir is a directory of policies.
type policyDir string

func newPolicyDir(t *testing.T, files map[string]string) policyDir {
	t.Helper()
	dir := policyDir(filepath.Join(t.TempDir(), "policy"))
	dir.write(t, "gatehouse/aws_iid/tofu.rego", tofuOff)
	for name, text := range files {
		dir.write(t, name, text)
	}
	return dir
}

// write replaces a file at once, so that nothing sees half of it.
func (d policyDir) write(t *testing.T, name, text string) {
	t.Helper()
	name = filepath.Join(string(d), name)
	temporary := filepath.Join(filepath.Dir(name), ".new")
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(temporary, []byte(text), 0o644), os.Rename(temporary, name)); err != nil {
		t.Fatal(err)
	}
}

// config is a plugin_data with the directory.
func (d policyDir) config() string {
	return baseConfig + fmt.Sprintf("policy { directory = %q }\n", string(d))
}

// own attests a node and returns the selectors that are not the baseline's.
func (p *plugin) own(t *testing.T) []string {
	t.Helper()
	got, err := p.attest(t, payload(t, nil))
	if err != nil {
		t.Fatalf("attest: %v", err)
	}
	p.logs.next(t, "Node attested")
	var own []string
	for _, selector := range got.SelectorValues {
		if strings.HasPrefix(selector, "own:") {
			own = append(own, selector)
		}
	}
	return own
}

func (p *plugin) wantOwn(t *testing.T, want ...string) {
	t.Helper()
	if got := p.own(t); !slices.Equal(got, want) {
		t.Errorf("own selectors: got %q, want %q", got, want)
	}
}

// The life of a directory, step by step: each says what the log must say, and
// then what a node gets.
func TestPolicyDirectory(t *testing.T) {
	dir := newPolicyDir(t, map[string]string{"own.rego": selecting("own:1")})
	p := serve(t, newCloud(), &agentStore{})
	if _, err := p.config.Configure(t.Context(), configure(dir.config())); err != nil {
		t.Fatal(err)
	}
	if line := p.logs.next(t, policyReplaces); line["files"] != "gatehouse/aws_iid/tofu.rego" {
		t.Errorf("logged %v", line)
	}
	p.wantOwn(t, "own:1")

	t.Run("an edit", func(t *testing.T) {
		dir.write(t, "own.rego", selecting("own:2"))
		line := p.logs.next(t, policyTookOver)
		if line["policy_revision"] == line["previous_policy_revision"] || line["elapsed"] == "" {
			t.Errorf("logged %v", line)
		}
		p.wantOwn(t, "own:2")
	})
	t.Run("a broken edit", func(t *testing.T) {
		dir.write(t, "own.rego", "package gatehouse.aws_iid\n\nselector contains input.evidence.acount_id\n\nselector contains input.tmie\n")
		for _, want := range []string{
			`^own\.rego:3: rego_type_error: undefined ref: input\.evidence\.acount_id; did you mean input\.evidence\.account_id\? input.*"account_id"`,
			`^own\.rego:5: rego_type_error: undefined ref: input\.tmie; did you mean input\.time\? input`,
		} {
			line := p.logs.next(t, policyRefused)
			if text := line["problem"].(string); !regexp.MustCompile(want).MatchString(text) || strings.Contains(text, "\n") {
				t.Errorf("logged %q, want %s", text, want)
			}
		}
		p.wantOwn(t, "own:2")
	})
	t.Run("undone", func(t *testing.T) {
		dir.write(t, "own.rego", selecting("own:2"))
		p.logs.next(t, policyGoodAgain)
		p.wantOwn(t, "own:2")
	})
	t.Run("a failing test of its own", func(t *testing.T) {
		dir.write(t, "own_test.rego", "package own_test\n\nimport data.gatehouse.aws_iid\n\ntest_own if \"own:3\" in aws_iid.selector\n")
		if line := p.logs.next(t, policyRefused); line["problem"] != "own_test.rego:5: test_own fails" {
			t.Errorf("logged %v", line)
		}
		p.wantOwn(t, "own:2")
	})
	t.Run("that passes with the rule", func(t *testing.T) {
		dir.write(t, "own.rego", selecting("own:3"))
		p.logs.next(t, policyTookOver)
		p.wantOwn(t, "own:3")
	})
	t.Run("a baseline rule replaced", func(t *testing.T) {
		dir.write(t, "gatehouse/aws_iid/selectors.rego", selecting("own:alone"))
		line := p.logs.next(t, policyReplaces)
		if line["files"] != "gatehouse/aws_iid/selectors.rego gatehouse/aws_iid/tofu.rego" || fmt.Sprint(line["level"]) != "warn" {
			t.Errorf("logged %v", line)
		}
		p.logs.next(t, policyTookOver)
		p.wantOwn(t, "own:3", "own:alone")
	})
	t.Run("gone", func(t *testing.T) {
		if err := os.Rename(string(dir), string(dir)+".gone"); err != nil {
			t.Fatal(err)
		}
		if line := p.logs.next(t, policyRefused); line["problem"] != "stat "+string(dir)+": no such file or directory" {
			t.Errorf("logged %v", line)
		}
		p.wantOwn(t, "own:3", "own:alone")
	})
	t.Run("and back", func(t *testing.T) {
		if err := os.Rename(string(dir)+".gone", string(dir)); err != nil {
			t.Fatal(err)
		}
		p.logs.next(t, policyGoodAgain)
		dir.write(t, "own.rego", selecting("own:4"))
		os.Remove(filepath.Join(string(dir), "own_test.rego"))
		p.logs.next(t, policyTookOver)
		p.wantOwn(t, "own:4", "own:alone")
	})
}

func TestPolicyAtConfigure(t *testing.T) {
	good := newPolicyDir(t, map[string]string{"own.rego": selecting("own:1")})
	missing := policyDir(filepath.Join(t.TempDir(), "none"))
	file := policyDir(filepath.Join(string(good), "own.rego"))
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, good.config())
	alone := fmt.Sprintf("policy { directory = %q baseline = false }", string(good))
	for name, tc := range map[string]struct{ config, want string }{
		"broken": {
			newPolicyDir(t, map[string]string{"own.rego": "package x\n\ny if {\n"}).config(),
			"invalid configuration: own.rego:4: rego_parse_error: unexpected eof token",
		},
		"failing test": {
			newPolicyDir(t, map[string]string{"own_test.rego": "package x_test\n\ntest_x if false\n"}).config(),
			"invalid configuration: own_test.rego:3: test_x fails",
		},
		"nothing in it":        {policyDir(t.TempDir()).config(), "invalid configuration: there are no files in it: is it mounted? for the baseline alone remove the block that names it"},
		"no directory":         {missing.config(), "invalid configuration: stat " + string(missing) + ": no such file or directory"},
		"a file":               {file.config(), "invalid configuration: policy directory " + string(file) + ": is no directory"},
		"without the baseline": {alone, "package gatehouse.aws_iid has no rule admission"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.config.Configure(t.Context(), configure(tc.config))
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}

	// What was in force stays, and so does its watch.
	p.wantOwn(t, "own:1")
	good.write(t, "other.rego", selecting("own:2"))
	p.logs.next(t, policyTookOver)
	p.wantOwn(t, "own:1", "own:2")
}

// Files that are written all the while never make a policy: some could be old and
// some new.
func TestPolicyThatIsBeingWritten(t *testing.T) {
	dir := newPolicyDir(t, nil)
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			file := filepath.Join(string(dir), "own.rego")
			if err := errors.Join(os.WriteFile(file+".new", []byte(selecting(fmt.Sprint("own:", n))), 0o644), os.Rename(file+".new", file)); err != nil {
				stopped <- err
				return
			}
		}
	}()
	loader := policyLoader{plugin: "aws_iid", source: policySource{Directory: string(dir)}, config: map[string]any{"partition": "aws"}}
	testwait.Until(t, func() string {
		_, err := loader.load(t.Context())
		switch {
		case err == nil:
			return "it is loaded: on a busy machine nothing may have been written meanwhile"
		case err.Error() != "the directory's files change all the time":
			t.Errorf("got %v", err)
		}
		return ""
	})
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if revision, err := loader.load(t.Context()); err != nil || revision.engine == nil {
		t.Errorf("when it is written: %v", err)
	}
}

// A watch whose configuration has been replaced changes nothing any more, even if
// it has loaded a revision already.
func TestReplacedWatchSwapsNothing(t *testing.T) {
	first, second := newPolicyDir(t, map[string]string{"own.rego": selecting("own:1")}), newPolicyDir(t, map[string]string{"own.rego": selecting("own:2")})
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, first.config())
	old := p.under.policy.(*policyWatch)
	loaded, err := old.loader.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.configure(t, second.config())
	select {
	case <-old.ended:
	default:
		t.Error("the old watch goes on")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as the old watch's is
	if p.under.swapPolicy(ctx, loaded) {
		t.Error("the old watch swapped a policy")
	}
	p.wantOwn(t, "own:2")
	p.configure(t, baseConfig)
	wantWatches(t, 0)
}

// Nothing is left running by a plugin that was closed, however often it was
// configured.
func TestCloseEndsEverything(t *testing.T) {
	dir := newPolicyDir(t, nil)
	p := serve(t, newCloud(), &agentStore{})
	for range 3 {
		p.configure(t, dir.config())
	}
	wantWatches(t, 1)
	for range 2 {
		if err := p.under.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantWatches(t, 0)
	if _, err := p.config.Configure(t.Context(), configure(dir.config())); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("configured when closed: %v", err)
	}
}

// wantWatches waits until there are so many watches, and the notifiers that they need:
// a goroutine has told that it is at its end a little before it is.
func wantWatches(t *testing.T, want int) {
	t.Helper()
	testwait.Until(t, func() string {
		watches, notifiers := watching(t)
		if watches == want && notifiers <= 2*watches { // an old one ends when the new one stands
			return ""
		}
		return fmt.Sprintf("%d watches and %d notifiers, want %d watches", watches, notifiers, want)
	})
}

// watching counts the goroutines that watch, and fsnotify's.
func watching(t *testing.T) (watches, notifiers int) {
	t.Helper()
	var profile strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 2); err != nil {
		t.Fatal(err)
	}
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		switch {
		case strings.Contains(stack, "dirwatch.Run("):
			watches++
		case strings.Contains(stack, "fsnotify."):
			notifiers++
		}
	}
	return watches, notifiers
}
