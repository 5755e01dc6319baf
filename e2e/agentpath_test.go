package e2e_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/Masterminds/sprig/v3"
	"github.com/spiffe/spire/pkg/common/agentpathtemplate"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
)

// TestAgentPathFunctions offers to templates the functions that SPIRE offers, and
// no others: an agent_path_template that names one parses with both or with
// neither.
func TestAgentPathFunctions(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(sprig.TxtFuncMap()))
	names = append(names, "and", "call", "eq", "html", "index", "js", "len", "ne", "not", "or", "print", "printf", "println", "urlquery", "nonsense")
	sample := map[string]string{"InstanceID": instanceID}
	offered, withheld := 0, 0
	for _, name := range names {
		// The branch is parsed and never taken, so that what the function wants
		// does not matter.
		text := "{{ if false }}{{ " + name + " }}{{ end }}/aws_iid/{{ .InstanceID }}"
		template, theirs := agentpathtemplate.Parse(text)
		ours, ourError := agentpath.Parse(text, "aws_iid", "InstanceID", sample)
		if (theirs == nil) != (ourError == nil) {
			t.Errorf("%s: SPIRE says %v, Gatehouse %v", name, theirs, ourError)
			continue
		}
		if theirs != nil {
			withheld++
			continue
		}
		offered++
		want, err := template.Execute(sample)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ours.Render(agentpath.Fields{Values: sample}); err != nil || got != "/spire/agent"+want {
			t.Errorf("%s: %q, %v; SPIRE has %q", name, got, err, want)
		}
	}
	if offered < 100 || withheld < 50 {
		t.Errorf("%d functions are offered and %d withheld, which can't be all", offered, withheld)
	}
}
