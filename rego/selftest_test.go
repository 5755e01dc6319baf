package rego_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// directoryOptions are those of a directory over the baseline, its tests and the
// samples included.
func directoryOptions(t *testing.T, files map[string]string) rego.Options {
	t.Helper()
	dir := fstest.MapFS{}
	for name, text := range files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	samples, err := policies.Samples("aws_iid")
	if err != nil {
		t.Fatal(err)
	}
	overlay := policies.Over(dir)
	opts := baselineOptions()
	opts.Policy, opts.SelfTest, opts.Samples = overlay, overlay.Own, samples
	return opts
}

const (
	rule = `package gatehouse.aws_iid

admission_violation contains {"rule": "type", "msg": "small"} if input.evidence.instance_type == "t3.nano"

selector contains $"type:{input.evidence.instance_type}"
`
	ruleTest = `package type_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as good

_small := good.changed(good.admission_input, "evidence/instance_type", "t3.nano")

test_small_denied if {
	{"rule": "type", "msg": "small"} in aws_iid.admission_violation with input as _small
		with data.gatehouse.config as good.config
}
`
)

func TestSelfTests(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  []string // the problems; none for a policy that loads
	}{
		"nothing added": {},
		"a rule with its test, and fixtures of the baseline": {
			files: map[string]string{"type.rego": rule, "type_test.rego": ruleTest},
		},
		"what adds to answers that the baseline's own tests compare": {
			files: map[string]string{"x.rego": "package gatehouse.aws_iid\n\nselector contains \"x\"\n\nviolation contains {\"rule\": \"x\", \"msg\": \"x\"}\n"},
		},
		"a replaced rule": {files: map[string]string{"gatehouse/aws_iid/tofu.rego": "package gatehouse.aws_iid\n"}},
		"a test that can't pass yet": {
			files: map[string]string{"x_test.rego": "package x_test\n\ntodo_test_x if false\n"},
		},
		"data": {
			files: map[string]string{"a/data.yaml": "b: 1", "x_test.rego": "package x_test\n\ntest_x if data.a.b == 1\n"},
		},
		"print": {files: map[string]string{"x_test.rego": "package x_test\n\ntest_x if print(input)\n"}},
		"failing": {
			files: map[string]string{
				"type.rego":      strings.ReplaceAll(rule, "nano", "micro"),
				"type_test.rego": ruleTest,
				"x_test.rego":    "package x_test\n\ntest_b if false\n\ntest_c if true\n\ntest_a if 1 == 2\n",
			},
			want: []string{"type_test.rego:8: test_small_denied fails", "x_test.rego:3: test_b fails", "x_test.rego:7: test_a fails"},
		},
		"failing cases": {
			files: map[string]string{"x_test.rego": `package x_test

test_x[name] if {
	some name, n in {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7}
	n == 3
}
`},
			want: []string{`x_test.rego:3: test_x fails for "a", "b", "d", "e", "f", 1 more`},
		},
		"a built-in's error": {
			files: map[string]string{"x_test.rego": "package x_test\n\ntest_x if to_number(\"x\") == 1\n"},
			want:  []string{`x_test.rego:3: test_x errs: x_test.rego:3: eval_builtin_error: to_number: strconv.ParseFloat: parsing "x": invalid syntax`},
		},
		"a replaced rule that a sample can't be decided with": {
			files: map[string]string{"gatehouse/aws_iid/agent_path.rego": "package gatehouse.aws_iid\n\nagent_path := \"/spire/agent/x\"\n"},
			want: []string{
				`tried on sample first_use.json: rego: gatehouse.aws_iid.admission: agent_path "/spire/agent/x" is not below /spire/agent/aws_iid/`,
			},
		},
		"a fact that does not exist": {
			files: map[string]string{"x.rego": "package gatehouse.aws_iid\n\noptional_fact contains \"weather\"\n"},
			want: []string{
				`tried on sample first_use.json: rego: gatehouse.aws_iid.admission: asks for fact "weather"; aws_iid has eks, instance, instance_profile, organization`,
				`tried on sample replay.json: rego: gatehouse.aws_iid.admission: asks for fact "weather"; aws_iid has eks, instance, instance_profile, organization`,
				`tried on sample unknown_instance.json: rego: gatehouse.aws_iid.admission: asks for fact "weather"; aws_iid has eks, instance, instance_profile, organization`,
			},
		},
		"a path that facts change": {
			files: map[string]string{"gatehouse/aws_iid/agent_path.rego": `package gatehouse.aws_iid

agent_path := "/spire/agent/aws_iid/a" if not input.facts

agent_path := "/spire/agent/aws_iid/b" if input.facts
`},
			want: []string{
				`tried on sample first_use.json: rego: gatehouse.aws_iid.decision: has agent_path "/spire/agent/aws_iid/b", but the admission had "/spire/agent/aws_iid/a"`,
			},
		},
		"selectors out of shape": {
			files: map[string]string{"x.rego": "package gatehouse.aws_iid\n\nselector contains \"\"\n"},
			want:  []string{`tried on sample first_use.json: rego: gatehouse.aws_iid.decision: selectors: "" is empty`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rego.New(t.Context(), directoryOptions(t, tc.files))
			if len(tc.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := "rego: loading policy: " + strings.Join(tc.want, "\n"); fmt.Sprint(err) != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// TestMisspeltFactOfDeniedSamples: a fact that does not exist is found though the
// configuration denies whom the samples are about, as most do.
func TestMisspeltFactOfDeniedSamples(t *testing.T) {
	opts := directoryOptions(t, map[string]string{"x.rego": "package gatehouse.aws_iid\n\nrequired_fact contains \"weather\"\n"})
	opts.Config = map[string]any{"allowed_account_ids": []string{"999999999999"}}
	const want = `tried on sample first_use.json: rego: gatehouse.aws_iid.admission: asks for fact "weather"; aws_iid has`
	if _, err := rego.New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A load ends with its caller's context, in a test as in a sample's decision.
func TestEndlessLoad(t *testing.T) {
	const endless = "count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i == j + 200000]) == 1\n"
	t.Run("by the caller's", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := rego.New(ctx, directoryOptions(t, map[string]string{"x_test.rego": "package x_test\n\ntest_x if " + endless}))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("in a decision", func(t *testing.T) {
		_, err := rego.New(t.Context(), directoryOptions(t, map[string]string{
			"x.rego": "package gatehouse.aws_iid\n\nexempt contains \"x\" if " + endless,
		}))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "tried on sample first_use.json: ") {
			t.Errorf("got %v", err)
		}
	})
}

func TestDecodeInput(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                                  "rego: input document: unexpected end of JSON input",
		`{"evidnce": {}}`:                    `rego: input document: unknown field "evidnce"`,
		`{"plugin": 1}`:                      "rego: input document: plugin: is a number, not a string",
		`{"time": "noon"}`:                   `rego: input document: time: parsing time "noon" as "2006-01-02T15:04:05.999999999Z07:00": cannot parse "noon" as "2006"`,
		`{"tofu": {"known": true}}`:          `rego: input document: tofu: unknown field "known"`,
		`{"tofu": {"first": {"uses": 1.5}}}`: "rego: input document: tofu.first.uses: is no whole number",
		`[]`:                                 "rego: input document: is an array, not an object",
		`{"peer": {"ip": "nowhere"}}`:        `rego: input document: peer.ip: ParseAddr("nowhere"): unable to parse IP`,
	} {
		if _, err := rego.DecodeInput([]byte(text)); fmt.Sprint(err) != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestDigest(t *testing.T) {
	digest := func(files map[string]string) string {
		got, err := rego.Digest(overlay(t, files))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	same := digest(map[string]string{"a.rego": "x"})
	for _, other := range []map[string]string{nil, {"a.rego": "y"}, {"b.rego": "x"}, {"a.rego": "x", "b.rego": ""}} {
		if digest(other) == same {
			t.Errorf("%v: the same digest", other)
		}
	}
	for _, equal := range []map[string]string{{"a.rego": "x"}, {"a.rego": "x", "README.md": "x", ".b.rego": "x"}} {
		if digest(equal) != same {
			t.Errorf("%v: another digest", equal)
		}
	}
}
