package rego_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

const (
	youngRule = `package gatehouse.aws_iid

# METADATA
# title: Young
# description: Only young ones.
admission_violation contains {"rule": "young", "msg": "old"} if {
	not _young
}

_young if input.evidence.instance_type == "t3.medium"
`
	youngTest = `package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

test_young_good if aws_iid.admission_violation == set() with input as admission_input with data.gatehouse.config as config

test_young_prints if {
	print("type:", admission_input.evidence.instance_type)
	1 == 2
}

todo_test_young if false
`
)

func TestTest(t *testing.T) {
	files := policies.Over(fstest.MapFS{
		"young.rego":      {Data: []byte(youngRule)},
		"young_test.rego": {Data: []byte(youngTest)},
	})
	type outcome struct {
		Name, Printed string
		Pass, Skip    bool
	}
	for name, tc := range map[string]struct {
		opts rego.TestOptions
		want []outcome
	}{
		"all": {want: []outcome{
			{Name: "test_young_good", Pass: true},
			{Name: "test_young_prints", Printed: "type: t3.medium\n"},
			{Name: "todo_test_young", Skip: true},
		}},
		"by name":    {opts: rego.TestOptions{Filter: "aws_iid_test.test_young_good$"}, want: []outcome{{Name: "test_young_good", Pass: true}}},
		"none":       {opts: rego.TestOptions{Filter: "old"}},
		"with trace": {opts: rego.TestOptions{Filter: "prints", Trace: true}, want: []outcome{{Name: "test_young_prints", Printed: "type: t3.medium\n"}}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.opts.Policy, tc.opts.Own = files, files.Own
			run, err := rego.Test(t.Context(), tc.opts)
			if err != nil {
				t.Fatal(err)
			}
			var got []outcome
			for _, r := range run.Results {
				got = append(got, outcome{r.Name, string(r.Output), r.Pass(), r.Skip})
				if traced := len(r.Trace) > 0; traced != tc.opts.Trace {
					t.Errorf("%s: traced is %v", r.Name, traced)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || run.Coverage != nil {
				t.Errorf("coverage %v (-want +got):\n%s", run.Coverage, diff)
			}
		})
	}
}

// Coverage is of the directory's rules alone.
func TestTestCoverage(t *testing.T) {
	files := policies.Over(fstest.MapFS{
		"young.rego":      {Data: []byte(youngRule + "\nunseen := 1 if input.plugin == \"x\"\n")},
		"young_test.rego": {Data: []byte(youngTest)},
	})
	run, err := rego.Test(t.Context(), rego.TestOptions{Policy: files, Own: files.Own, Coverage: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Coverage.Files) != 1 || run.Coverage.Files["young.rego"] == nil {
		t.Fatalf("got %v", run.Coverage.Files)
	}
	covered := map[int]bool{}
	for _, row := range []int{6, 7, 10, 12} {
		covered[row] = run.Coverage.IsCovered("young.rego", row)
	}
	want := map[int]bool{6: false, 7: true, 10: true, 12: false}
	if diff := cmp.Diff(want, covered); diff != "" {
		t.Errorf("%.1f %% (-want +got):\n%s", run.Coverage.Coverage, diff)
	}
}

// What the engine would not take isn't tested either.
func TestTestChecksTypes(t *testing.T) {
	files := policies.Over(fstest.MapFS{
		"young.rego":      {Data: []byte(strings.Replace(youngRule, "instance_type", "instanze_type", 1))},
		"young_test.rego": {Data: []byte(youngTest)},
	})
	_, err := rego.Test(t.Context(), rego.TestOptions{Policy: files, Own: files.Own})
	if err == nil || !strings.Contains(err.Error(), "young.rego:10: rego_type_error: undefined ref: input.evidence.instanze_type") {
		t.Errorf("got %v", err)
	}
}
