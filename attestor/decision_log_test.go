package attestor

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestSmoke(t *testing.T) {
	p := serve(t, newCloud(), &agentStore{})
	file := filepath.Join(t.TempDir(), "decisions.jsonl")
	p.configure(t, baseConfig+fmt.Sprintf(`decision_log { file { path = %q } }`, file))
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Fatal(err)
	}
	p.attest(t, payload(t, nil))
	p.attest(t, []byte("x"))
	p.under.decisions.close()
	text, err := os.ReadFile(file)
	t.Log(string(text), err)
}
