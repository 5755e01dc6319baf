package rego_test

import (
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// sampleInput is a node that the baseline lets in.
func sampleInput(t *testing.T) rego.Input {
	t.Helper()
	samples, err := policies.Samples("aws_iid")
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(samples, "first_use.json")
	if err != nil {
		t.Fatal(err)
	}
	in, err := rego.DecodeInput(text)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestRetake: a policy is asked as it would be in force, of what is known.
func TestRetake(t *testing.T) {
	const (
		head  = "package gatehouse.aws_iid\n\n"
		path  = "/spire/agent/aws_iid/123456789012/us-west-2/i-0123456789abcdef0"
		late  = "gatehouse/aws_iid/agent_path.rego"
		byTag = head + "agent_path := concat(\"/\", [\"/spire/agent/aws_iid\", input.facts.instance.tags.Name])\n"

		byTemplate = head + "agent_path := input.templated_agent_path\n"
		rendered   = "/spire/agent/aws_iid/rendered"
	)
	noFacts := map[string]string{"gatehouse/aws_iid/instance_state.rego": head, "gatehouse/aws_iid/instance_profile.rego": head, "gatehouse/aws_iid/block_device.rego": head}
	with := func(files map[string]string, name, text string) map[string]string {
		files = maps.Clone(files)
		files[name] = text
		return files
	}
	templated := func(path string) func(*rego.Taken) {
		return func(was *rego.Taken) { was.TemplateFact, was.Input.TemplatedAgentPath = "instance", path }
	}
	for name, tc := range map[string]struct {
		files  map[string]string
		change func(*rego.Taken)
		want   string
	}{
		"as it was":  {want: "lets in " + path},
		"late path":  {files: map[string]string{late: byTag}, want: "lets in /spire/agent/aws_iid/blog"},
		"replay":     {change: func(was *rego.Taken) { was.Input.Tofu = &rego.Tofu{Attested: true} }, want: "refuses: tofu"},
		"other path": {files: map[string]string{late: byTag}, change: func(was *rego.Taken) { was.Input.Tofu = &rego.Tofu{Attested: true, Claimed: true} }, want: "lets in /spire/agent/aws_iid/blog"},
		"claim":      {files: map[string]string{late: byTag}, change: func(was *rego.Taken) { was.Input.Tofu = &rego.Tofu{Claimed: true} }, want: "refuses: tofu"},
		"before first use was asked for": {
			change: func(was *rego.Taken) {
				was.Input.Tofu, was.Input.Facts, was.Input.FactsStatus, was.AgentPath = nil, nil, nil, ""
			},
			want: `lacks ["instance" "instance_profile" "tofu"] []`,
		},
		"a fact that was not learned": {
			change: func(was *rego.Taken) {
				was.Input.FactsStatus = map[string]string{"instance": "error", "organization": "not_collected"}
				was.Input.Facts = nil
			},
			files: map[string]string{"own.rego": head + "optional_fact contains \"organization\"\n"},
			want:  `lacks ["instance" "instance_profile"] ["organization"]`,
		},
		"no facts are wanted, and were": {
			files:  with(noFacts, "own.rego", head+"violation contains {\"rule\": \"own\", \"msg\": \"m\"} if not input.facts_status.instance == \"not_collected\"\n"),
			change: func(was *rego.Taken) { was.Input.Facts, was.Input.FactsStatus = nil, nil },
			want:   "lets in " + path,
		},
		"a path that changes later": {
			files: map[string]string{late: head + "agent_path := \"/spire/agent/aws_iid/a\" if not input.facts\n\nagent_path := \"/spire/agent/aws_iid/b\" if input.facts\n"},
			want:  `fails: rego: gatehouse.aws_iid.decision: has agent_path "/spire/agent/aws_iid/b", but the admission had "/spire/agent/aws_iid/a": first use was checked for the latter`,
		},
		"a denial before first use is asked for": {
			files:  map[string]string{"own.rego": head + "admission_violation contains {\"rule\": \"own\", \"msg\": \"m\"} if input.peer\n"},
			change: func(was *rego.Taken) { was.Input.Tofu = &rego.Tofu{Attested: true} },
			want:   "refuses: own",
		},
		"a template":                       {files: map[string]string{late: byTemplate}, change: templated(rendered), want: "lets in " + rendered},
		"a template that was not rendered": {files: map[string]string{late: byTemplate}, change: templated(""), want: `lacks ["templated_agent_path"] []`},
		"a template, of an instance that is not there": {
			files: map[string]string{late: byTemplate},
			change: func(was *rego.Taken) {
				templated(rendered)(was)
				was.Input.Facts = map[string]any{"instance_profile": was.Input.Facts["instance_profile"]}
				was.Input.FactsStatus = map[string]string{"instance": "absent"}
			},
			want: `lacks ["templated_agent_path"] []`,
		},
		"a template, without the fact for it": {
			files: with(noFacts, late, byTemplate), change: templated(rendered),
			want: "fails: rego: gatehouse.aws_iid.admission: gives no agent_path, even with all the facts that it asked for",
		},
		"a template that is not rendered for whom has a path": {
			files:  map[string]string{late: head + "agent_path := object.get(input, \"templated_agent_path\", \"/spire/agent/aws_iid/own\")\n"},
			change: templated(rendered), want: "lets in /spire/agent/aws_iid/own",
		},
		"a denial for want of first use": {
			files: map[string]string{"own.rego": head + "admission_violation contains {\"rule\": \"own\", \"msg\": \"m\"} if not input.tofu.attested == false\n"},
			want:  "refuses: own",
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := directoryOptions(t, tc.files)
			opts.Samples, opts.SelfTest = nil, nil
			engine, err := rego.New(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			was := rego.Taken{Input: sampleInput(t), AgentPath: path}
			if tc.change != nil {
				tc.change(&was)
			}
			facts := maps.Clone(was.Input.Facts)
			got := "lets in "
			again, err := engine.Retake(t.Context(), was)
			switch denials := again.Denials(); {
			case err != nil:
				got = "fails: " + err.Error()
			case len(denials) > 0:
				got = "refuses: " + strings.Join(rego.RuleNames(denials), ", ")
			case again.Decision == nil:
				got = fmt.Sprintf("lacks %q %q", again.Required, again.Optional)
			default:
				got += again.Decision.AgentPath
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if len(facts) != len(was.Input.Facts) {
				t.Errorf("the input was changed: %v, and before %v", was.Input.Facts, facts)
			}
		})
	}
}
