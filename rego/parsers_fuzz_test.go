package rego

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"unicode"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// FuzzDecodeInput: an input document that is read is one that can be written and
// read again.
func FuzzDecodeInput(f *testing.F) {
	for _, plugin := range []string{"aws_iid", "azure_msi"} {
		samples, err := policies.Samples(plugin)
		if err != nil {
			f.Fatal(err)
		}
		for _, text := range sampleTexts(f, samples) {
			f.Add(text)
		}
	}
	f.Add([]byte(`{"plugin":"aws_iid","peer":{"ip":"::ffff:192.0.2.1"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		in, err := DecodeInput(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(in.document())
		if err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		if _, err := DecodeInput(written); err != nil {
			t.Errorf("what was written can't be read: %v\n%s", err, written)
		}
	})
}

// FuzzAnswer: whatever a policy answers, what the guard lets through is what SPIRE
// can take and its datastore hold.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{
		`{"violations":[],"exempt":[],"selectors":["a:1"],"can_reattest":false,"warnings":[],"agent_path":"/spire/agent/aws_iid/a"}`,
		`{"violations":[],"exempt":[],"facts":{"required":["instance"],"optional":[]},"agent_path":"/spire/agent/aws_iid/a"}`,
		`{"violations":[{"rule":"r","msg":"m"}],"exempt":["r"],"selectors":[""],"can_reattest":1,"warnings":{},"agent_path":"/spire/server"}`,
		`[]`, `null`, `"x"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := ast.ValueFromReader(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		value = setsForLists(value)
		if admission, err := decodeAdmission(value, testGuard, enforcement{}); err == nil && len(admission.Denials()) == 0 {
			checkAgentPath(t, admission.AgentPath, true)
		}
		decision, err := decodeDecision(value, testGuard, enforcement{})
		if err != nil || len(decision.Denials()) > 0 {
			return
		}
		checkAgentPath(t, decision.AgentPath, false)
		if len(decision.Selectors) > maxSelectors {
			t.Errorf("%d selectors", len(decision.Selectors))
		}
		for _, selector := range decision.Selectors {
			if selector == "" || len(selector) > maxSelectorBytes || strings.ContainsFunc(selector, unicode.IsControl) || strings.ToValidUTF8(selector, "") != selector {
				t.Errorf("selector %q", selector)
			}
		}
	})
}

func checkAgentPath(t *testing.T, path string, mayBeMissing bool) {
	t.Helper()
	if path == "" && mayBeMissing {
		return
	}
	id, err := spiffeid.FromString("spiffe://" + testGuard.trustDomain + path)
	if err != nil || len(id.String()) > maxAgentIDBytes || !strings.HasPrefix(path, "/spire/agent/aws_iid/") {
		t.Errorf("agent path %q: %v", path, err)
	}
}

// setsForLists has sets, which JSON lacks, in the place of lists: policies answer
// with sets.
func setsForLists(value ast.Value) ast.Value {
	switch v := value.(type) {
	case *ast.Array:
		set := ast.NewSet()
		v.Foreach(func(x *ast.Term) { set.Add(ast.NewTerm(setsForLists(x.Value))) })
		return set
	case ast.Object:
		object := ast.NewObject()
		v.Foreach(func(key, x *ast.Term) { object.Insert(key, ast.NewTerm(setsForLists(x.Value))) })
		return object
	}
	return value
}

func sampleTexts(f *testing.F, samples fs.FS) [][]byte {
	f.Helper()
	names, err := fs.Glob(samples, "*.json")
	if err != nil || len(names) == 0 {
		f.Fatal("no samples", err)
	}
	var texts [][]byte
	for _, name := range names {
		text, err := fs.ReadFile(samples, name)
		if err != nil {
			f.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}
