package authoring_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/internal/authoring"
	"github.com/spire-gatehouse/gatehouse/policies"
)

func TestNegatedCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		rule string
		want bool
	}{
		"a call":                         {`a if not startswith(input.x, "y")`, true},
		"membership":                     {`a if not input.x in {1, 2}`, true},
		"a comparison":                   {`a if not input.x > 1`, true},
		"deep in an argument":            {`a if not startswith(concat("", ["a", input.x]), "y")`, true},
		"of data":                        {`a if not 1 in data.fleet.list`, true},
		"of imported data":               {`a if not 1 in fleet.list`, true},
		"in a comprehension":             {`a := [1 | not startswith(input.x, "y")]`, true},
		"in every":                       {`a if every x in [1] { not startswith(input.x, "y") }`, true},
		"equality":                       {`a if not input.x == 1`, false},
		"no call":                        {`a if not input.x`, false},
		"of a variable that has a value": {"a if {\n\tx := input.x\n\tnot startswith(x, \"y\")\n}", false},
		"not negated":                    {`a if startswith(input.x, "y")`, false},
	} {
		t.Run(name, func(t *testing.T) {
			const head = "package gatehouse.aws_iid\n\nimport data.fleet\n\nb if fleet.b\n\n"
			files := policies.Over(fstest.MapFS{
				"a.rego":      {Data: []byte(head + tc.rule + "\n")},
				"a_test.rego": {Data: []byte("package a_test\n\ntest_a if not startswith(input.x, \"y\")\n")},
			})
			found, err := authoring.NegatedCalls(files)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, remark := range found {
				got = append(got, remark.Line)
			}
			var want []int
			if tc.want {
				want = []int{7}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v (-want +got):\n%s", found, diff)
			}
		})
	}
}

// What doesn't parse is for others to report.
func TestNegatedCallsOfWhatDoesNotParse(t *testing.T) {
	found, err := authoring.NegatedCalls(policies.Over(fstest.MapFS{"a.rego": {Data: []byte("package")}}))
	if len(found) != 0 || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
}
