package attestor_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/spire-gatehouse/gatehouse/"

// TestLayers holds the one rule of the layout: dependencies point from cmd to
// attestor to {evidence, rego, tofu}, and those three do not know each other.
// What judges must not verify, and what verifies must not judge. Beside attestor
// stands replay, which takes recorded decisions again: of attestor it knows the
// decision log's lines alone.
func TestLayers(t *testing.T) {
	forbidden := map[string][]string{
		"evidence": {"attestor", "rego", "tofu", "policies", "replay", "cmd"},
		"rego":     {"attestor", "evidence", "tofu", "replay", "cmd"},
		"tofu":     {"attestor", "evidence", "rego", "policies", "replay", "cmd"},
		"policies": {"attestor", "evidence", "rego", "tofu", "replay", "cmd"},
		"attestor": {"replay", "cmd"},
		"replay":   {"evidence", "tofu", "cmd"},
	}
	layerOf := func(pkg string) string {
		rest, ours := strings.CutPrefix(pkg, module)
		if !ours {
			return ""
		}
		layer, _, _ := strings.Cut(rest, "/")
		return layer
	}
	seen := map[string]bool{}
	for _, line := range goList(t, "-f", "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}", module+"...") {
		pkg, imports, _ := strings.Cut(line, " ")
		layer := layerOf(pkg)
		seen[layer] = true
		for imported := range strings.FieldsSeq(imports) {
			for _, no := range forbidden[layer] {
				if layerOf(imported) == no {
					t.Errorf("%s imports %s: %s must not know %s", pkg, imported, layer, no)
				}
			}
		}
	}
	for _, line := range goList(t, "-f", "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}", module+"replay/...") {
		for imported := range strings.FieldsSeq(line) {
			if layerOf(imported) == "attestor" && imported != module+"attestor/decisionlog" && imported != module+"attestor/agentpath" {
				t.Errorf("%s: of attestor, replay knows decisionlog and agentpath alone", line)
			}
		}
	}
	for layer := range forbidden {
		if !seen[layer] {
			t.Errorf("no package in layer %s: the test looks at nothing", layer)
		}
	}
}

// TestNoSPIRE: the plugin talks to SPIRE through the plugin SDK only, so that it
// is not rebuilt for each of SPIRE's releases.
func TestNoSPIRE(t *testing.T) {
	for _, pkg := range goList(t, "-deps", module+"cmd/gatehouse") {
		if strings.HasPrefix(pkg, "github.com/spiffe/spire/") {
			t.Errorf("gatehouse depends on %s", pkg)
		}
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
