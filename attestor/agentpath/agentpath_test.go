package agentpath_test

import (
	"testing"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
)

var sample = map[string]string{
	"InstanceID": "i-0123456789abcdef0", "AccountID": "123456789012", "Region": "us-west-2",
}

func TestParse(t *testing.T) {
	const node = `for a node with map[AccountID:123456789012 InstanceID:i-0123456789abcdef0 Region:us-west-2]: `
	for text, wantErr := range map[string]string{
		"/{{ .PluginName }}/{{ .AccountID }}/{{ .Region }}/{{ .InstanceID }}": "",
		"/aws_iid/{{ .Tags.Cluster }}/{{ .InstanceID }}":                      "",
		`/aws_iid/{{ index .Tags "my cluster" }}/{{ .InstanceID }}`:           "",
		`/aws_iid/{{ .InstanceID | sha256sum | trunc 12 }}`:                   "",
		`/aws_iid/{{ trimPrefix "i-" .InstanceID }}`:                          "",
		`/aws_iid/{{ substr 2 19 .InstanceID }}`:                              "",

		// What this node can't have a path of, another one can.
		`/aws_iid/{{ $t := .Tags }}{{ $t.env }}/{{ .InstanceID }}`:                                 "",
		`/aws_iid/{{ with .Tags }}{{ .env }}{{ end }}/{{ .InstanceID }}`:                           "",
		`/aws_iid/{{ index (splitList "-" .Tags.env) 1 }}/{{ .InstanceID }}`:                       "",
		`{{ if ne .Region "cn-north-1" }}{{ fail "not here" }}{{ end }}/aws_iid/{{ .InstanceID }}`: "",

		"/aws_iid/{{ .InstanceID":                `template: agent_path_template:1: unclosed action`,
		`/aws_iid/{{ env "HOME" }}`:              `template: agent_path_template:1: function "env" not defined`,
		"/aws_iid/{{ .Instance }}":               node + `template: agent_path_template:1:12: executing "agent_path_template" at <.Instance>: map has no entry for key "Instance"`,
		"/{{ .Region }}/{{ .InstanceID }}":       node + `agent path "/us-west-2/i-0123456789abcdef0" does not begin with "/aws_iid/"`,
		"{{ .PluginName }}/{{ .InstanceID }}":    node + `agent path "aws_iid/i-0123456789abcdef0" does not begin with "/aws_iid/"`,
		"/aws_iid/{{ .Tags.Name }}":              node + `agent path "/aws_iid/tag" has no .InstanceID in it: another machine could have the same`,
		"/aws_iid/{{ .AccountID }}/x":            node + `agent path "/aws_iid/123456789012/x" has no .InstanceID in it: another machine could have the same`,
		"/aws_iid/{{ trunc 10 .InstanceID }}":    node + `agent path "/aws_iid/i-01234567" has no .InstanceID in it: another machine could have the same`,
		"/aws_iid/{{ trunc -4 .InstanceID }}":    node + `agent path "/aws_iid/def0" has not all of .InstanceID in it: another machine could have the same`,
		"/aws_iid/{{ substr 3 19 .InstanceID }}": node + `agent path "/aws_iid/123456789abcdef0" has not all of .InstanceID in it: another machine could have the same`,
		"/aws_iid/{{ .InstanceID }}/{{uuidv4}}":  node + `the agent path is not the same each time it is rendered`,
	} {
		t.Run(text, func(t *testing.T) {
			_, err := agentpath.Parse(text, "aws_iid", "InstanceID", sample)
			if got := message(err); got != wantErr {
				t.Errorf("got  %s\nwant %s", got, wantErr)
			}
		})
	}
}

func TestRender(t *testing.T) {
	for name, tc := range map[string]struct {
		text, tag string
		want      string
		wantErr   string
	}{
		"built-in's default": {
			text: "/{{ .PluginName }}/{{ .AccountID }}/{{ .Region }}/{{ .InstanceID }}",
			want: "/spire/agent/aws_iid/123456789012/us-west-2/i-0123456789abcdef0",
		},
		"tag":                        {text: "/aws_iid/{{ .Tags.Name }}/{{ .InstanceID }}", tag: "blog", want: "/spire/agent/aws_iid/blog/i-0123456789abcdef0"},
		"slash in a tag":             {text: "/aws_iid/{{ .Tags.Name }}/{{ .InstanceID }}", tag: "a/b", wantErr: `agent path "/aws_iid/a/b/i-0123456789abcdef0" has segments that come from a slash in one of the node's values`},
		"slash that a function eats": {text: `/aws_iid/{{ .Tags.Name | replace "/" "." }}/{{ .InstanceID }}`, tag: "a/b", want: "/spire/agent/aws_iid/a.b/i-0123456789abcdef0"},
		"slash that encoding makes":  {text: `/aws_iid/{{ .Tags.Name | b64enc }}/{{ .InstanceID }}`, tag: "ab?", wantErr: `agent path "/aws_iid/YWI//i-0123456789abcdef0" has segments that come from a slash in one of the node's values`},
		"slash that decoding makes":  {text: `/aws_iid/{{ .Tags.Name | b64dec }}/{{ .InstanceID }}`, tag: "YS9i", wantErr: `agent path "/aws_iid/a/b/i-0123456789abcdef0" has segments that come from a slash in one of the node's values`},
		"slash in base32":            {text: `/aws_iid/{{ .Tags.Name | b32dec }}/{{ .InstanceID }}`, tag: "MEXWE===", wantErr: `agent path "/aws_iid/a/b/i-0123456789abcdef0" has segments that come from a slash in one of the node's values`},
		"slash in a URL":             {text: `/aws_iid/{{ (urlParse .Tags.Name).path }}/{{ .InstanceID }}`, tag: "a%2Fb", wantErr: `agent path "/aws_iid/a/b/i-0123456789abcdef0" has segments that come from a slash in one of the node's values`},
		"slash beside one that is taken away": {
			text:    `/aws_iid/{{ index (splitList "/" .Tags.Team) 1 }}/{{ .Tags.Name }}/{{ .InstanceID }}`,
			tag:     "a/b",
			wantErr: `agent path "/aws_iid/two/a/b/i-0123456789abcdef0" has segments that come from a slash in one of the node's values`,
		},
		"slash beside one of the same tag": {
			text:    `/aws_iid/{{ index (splitList "/" .Tags.Name) 1 }}/{{ .Tags.Name }}/{{ .InstanceID }}`,
			tag:     "a/b",
			wantErr: `agent path "/aws_iid/b/a/b/i-0123456789abcdef0" has segments that come from a slash in one of the node's values`,
		},
		"slash that splits": {
			text: `/aws_iid/{{ index (splitList "/" .Tags.Team) 1 }}/{{ .Tags.Name }}/{{ .InstanceID }}`,
			tag:  "blog",
			want: "/spire/agent/aws_iid/two/blog/i-0123456789abcdef0",
		},
		"encoded, without a slash":   {text: `/aws_iid/{{ .Tags.Name | b64enc }}/{{ .InstanceID }}`, tag: "abc", want: "/spire/agent/aws_iid/YWJj/i-0123456789abcdef0"},
		"encoded, its slash eaten":   {text: `/aws_iid/{{ .Tags.Name | b64enc | replace "/" "_" }}/{{ .InstanceID }}`, tag: "ab?", want: "/spire/agent/aws_iid/YWI_/i-0123456789abcdef0"},
		"the template's own slashes": {text: `/aws_iid/{{ list .Tags.Name "x" | join "/" }}/{{ .InstanceID }}`, tag: "blog", want: "/spire/agent/aws_iid/blog/x/i-0123456789abcdef0"},
		"missing tag":                {text: "/aws_iid/{{ .Tags.Other }}/{{ .InstanceID }}", tag: "blog", wantErr: `template: agent_path_template:1:17: executing "agent_path_template" at <.Tags.Other>: map has no entry for key "Other"`},
		"function that fails":        {text: `/aws_iid/{{ if eq .Tags.Name "bad" }}{{ fail "no bad nodes" }}{{ end }}{{ .InstanceID }}`, tag: "bad", wantErr: `template: agent_path_template:1:40: executing "agent_path_template" at <fail "no bad nodes">: error calling fail: no bad nodes`},
		"tag that hides the machine": {text: `/aws_iid/{{ if eq .Tags.Name "all" }}all{{ else }}{{ .InstanceID }}{{ end }}`, tag: "all", wantErr: `agent path "/aws_iid/all" has no .InstanceID in it: another machine could have the same`},
	} {
		t.Run(name, func(t *testing.T) {
			template, err := agentpath.Parse(tc.text, "aws_iid", "InstanceID", sample)
			if err != nil {
				t.Fatal(err)
			}
			got, err := template.Render(agentpath.Fields{Values: sample, Tags: map[string]string{"Name": tc.tag, "Team": "one/two"}})
			if got != tc.want || message(err) != tc.wantErr {
				t.Errorf("got  %q, %s\nwant %q, %s", got, message(err), tc.want, tc.wantErr)
			}
		})
	}
}

func TestNeedsTags(t *testing.T) {
	for text, want := range map[string]bool{
		"/aws_iid/{{ .InstanceID }}":                false,
		"/aws_iid/{{ .Tags.x }}/{{ .InstanceID }}":  true,
		"/aws_iid/{{ $.Tags.x }}/{{ .InstanceID }}": true,
	} {
		template, err := agentpath.Parse(text, "aws_iid", "InstanceID", sample)
		if err != nil {
			t.Fatal(err)
		}
		if got := template.NeedsTags(); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
