package e2e_test

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/attestors"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// A verdict is how an attestation, or a configuration, ends.
type verdict string

const (
	accepts       verdict = "accepts"
	denies        verdict = "denies"
	refusesConfig verdict = "refuses the configuration"
	panics        verdict = "panics"
)

// A difference is one node under one configuration, before SPIRE's built-in and
// before Gatehouse. The node is a good one but for what set does.
type difference struct {
	name   string
	config string       // plugin_data, beside credentials and certificates
	set    func(*trial) // nil: nothing

	// want is the verdict of both; of the built-in alone where differs is set.
	want verdict

	// says is part of the built-in's error, and rules what Gatehouse's log names:
	// the rules that denied, or else the outcome. Without them a case could deny
	// for another reason than the one it is about.
	says, rules string

	// differs is set where the two intentionally do. It is the key of the row in
	// docs/differences.md that says why. gatehouse is Gatehouse's verdict then.
	differs   string
	gatehouse verdict

	// calls and code make these part of what is compared.
	calls, code bool

	// unasked wants that Gatehouse asks nothing of AWS, and the built-in does.
	unasked bool
}

// vague says whether a refusal has no reason to check.
func (d difference) vague() bool {
	ours := d.want
	if d.differs != "" {
		ours = d.gatehouse
	}
	return d.want != accepts && d.want != panics && d.says == "" || ours != accepts && d.rules == ""
}

// outcome is what is compared.
type outcome struct {
	Verdict     verdict
	AgentID     string
	Selectors   []string // sorted
	CanReattest bool
	Calls       []string   // sorted, where the case asks for them
	Code        codes.Code // likewise
}

// differences is what the built-in and Gatehouse are compared over.
func differences() []difference {
	return slices.Concat(evidenceDifferences(), configDifferences(), instanceDifferences(), blockDeviceDifferences(),
		organizationDifferences(), eksDifferences(), profileDifferences(), tagDifferences(), agentPathDifferences(), roleDifferences())
}

// TestDifferential is the promise that Gatehouse can stand in the built-in's
// place: nodes are judged alike by both, with the same agent ID and the same
// selectors, except where docs/differences.md says otherwise.
func TestDifferential(t *testing.T) {
	cases := differences()
	if len(cases) < 60 {
		t.Fatalf("%d cases, which can't be all", len(cases))
	}
	names := map[string]bool{}
	for _, tc := range cases {
		if tc.vague() || names[tc.name] {
			t.Errorf("%q: a name that is taken, or a refusal without its reason", tc.name)
		}
		names[tc.name] = true
	}
	ring := newRing(t)
	trustedByBuiltIn(t, ring.authorities)
	setAWSEnvironment(t, ring.url) // the built-in's, which is in this process
	builtIn, err := attestors.BuiltInAWSIID(t.Context(), ring.store)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	external, err := attestors.External(t.Context(), ring.store, "aws_iid", binary, "aws_iid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, attestor := range []*attestors.Attestor{builtIn, external} {
			if err := attestor.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	for number, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			theirs, theirError := ring.hold(t, builtIn, number, tc)
			ours, ourError := ring.hold(t, external, number, tc)

			if theirs.Verdict != tc.want || theirError != nil && !strings.Contains(theirError.Error(), tc.says) {
				t.Errorf("the built-in %s, want that it %s and says %q: %v", theirs.Verdict, tc.want, tc.says, theirError)
			}
			want := tc.want
			if tc.differs != "" {
				want = tc.gatehouse
			}
			if ours.Verdict != want {
				t.Errorf("gatehouse %s, want that it %s: %s", ours.Verdict, want, reasonOf(t, external, ourError))
			} else if reason := reasonOf(t, external, ourError); !strings.Contains(reason, tc.rules) {
				t.Errorf("gatehouse names %s, want %s", reason, tc.rules)
			}
			if tc.unasked && (len(theirs.Calls) == 0 || len(ours.Calls) > 0) {
				t.Errorf("AWS calls: the built-in %v, gatehouse %v", theirs.Calls, ours.Calls)
			}
			switch same := reflect.DeepEqual(ours, theirs); {
			case same && tc.differs != "":
				t.Errorf("they don't differ by %s: both %+v", tc.differs, ours)
			case !same && tc.differs == "":
				t.Errorf("built-in  %+v, %v\ngatehouse %+v, %s", theirs, theirError, ours, reasonOf(t, external, ourError))
			}
		})
	}
}

// TestDifferencesAreDocumented keeps docs/differences.md complete, and honest:
// each key of a case is a row there, and each row is a case's, or says how it
// is known otherwise.
func TestDifferencesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "| `"); ok {
			key, _, _ := strings.Cut(rest, "`")
			if rows[key] {
				t.Errorf("%s has two rows", key)
			}
			rows[key] = strings.Contains(line, "(not in the test)")
		}
	}
	shown := map[string]bool{}
	for _, tc := range differences() {
		if tc.differs == "" {
			continue
		}
		shown[tc.differs] = true
		if _, ok := rows[tc.differs]; !ok {
			t.Errorf("%s: %s is not in docs/differences.md", tc.name, tc.differs)
		}
	}
	for key, untested := range rows {
		if shown[key] == untested {
			t.Errorf("docs/differences.md: %s is in a case: %t, and the row says otherwise", key, shown[key])
		}
	}
}

// hold lets one attestor judge the case, in a world made for it.
func (r *ring) hold(t *testing.T, attestor *attestors.Attestor, number int, tc difference) (outcome, error) {
	t.Helper()
	attestor.Log.Forget()
	tr := r.newTrial(t, number)
	if tc.set != nil {
		tc.set(tr)
	}
	// Configuring anew forgets the answers of another world. Where there are none
	// it would only take time, most of the test's.
	if data := tr.pluginData(tc.config); tc.config != "" || tr.cached || r.inForce[attestor] != data {
		delete(r.inForce, attestor)
		if err := attestor.Configure(t.Context(), data); err != nil {
			return outcome{Verdict: refusesConfig}, err
		}
		r.inForce[attestor] = data
	}
	for _, node := range tr.before {
		// Only what it leaves behind in caches matters.
		_, _ = attest(t, attestor, node)
	}
	tr.api.Forget()
	answer, err := attest(t, attestor, tr.node)
	result := outcome{Verdict: accepts, AgentID: answer.AgentID, CanReattest: answer.CanReattest, Selectors: answer.Selectors}
	slices.Sort(result.Selectors)
	if err != nil {
		result.Verdict = denies
		if strings.Contains(err.Error(), "runtime error") {
			result.Verdict = panics
		}
	}
	if tc.calls || tc.unasked {
		for _, call := range tr.api.Calls() {
			result.Calls = append(result.Calls, call.Action)
		}
		slices.Sort(result.Calls)
	}
	if tc.code {
		result.Code = status.Code(err)
	}
	return result, err
}

func attest(t *testing.T, attestor *attestors.Attestor, n *node) (attestors.Answer, error) {
	t.Helper()
	n.enter(t)
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	return attestor.Attest(ctx, n.payload(t))
}

// reasonOf is what Gatehouse's log says about the refusal that ends in err.
func reasonOf(t *testing.T, attestor *attestors.Attestor, err error) string {
	t.Helper()
	_, id, ok := strings.Cut(fmt.Sprint(err), "(decision ")
	if !ok {
		return fmt.Sprint(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	entry, ok := attestor.Log.Find(ctx.Done(), func(e attestors.Entry) bool {
		return e.Message == "Node attestation refused" && fmt.Sprint(e.Fields["decision_id"])+")" == id
	})
	if !ok {
		t.Fatalf("the log has nothing about %v", err)
	}
	return fmt.Sprintf("outcome=%v rules=%v: %v", entry.Fields["outcome"], entry.Fields["rules"], entry.Fields["reason"])
}
