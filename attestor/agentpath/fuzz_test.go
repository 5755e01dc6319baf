package agentpath_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
)

// FuzzRender: whatever a node's values are, its path has as many segments as the
// template, is below the plugin's own, and is another one for another machine.
func FuzzRender(f *testing.F) {
	var templates []*agentpath.Template
	var segments []int
	for text, count := range map[string]int{
		"/{{ .PluginName }}/{{ .AccountID }}/{{ .Region }}/{{ .InstanceID }}":    6,
		"/aws_iid/{{ .Tags.Name }}/{{ .InstanceID }}":                            5,
		`/aws_iid/{{ .Tags.Name | lower | trunc 8 }}-{{ .InstanceID }}`:          4,
		`/aws_iid/{{ sha256sum .InstanceID }}/{{ index .Tags "Name" | b32enc }}`: 5,
	} {
		template, err := agentpath.Parse(text, "aws_iid", "InstanceID", sample)
		if err != nil {
			f.Fatal(err)
		}
		templates, segments = append(templates, template), append(segments, count)
	}
	for _, tag := range []string{"blog", "a/b", "..", "", "\x00", "{{ .Region }}", "%2f", "блог", "\xff"} {
		f.Add("123456789012", "i-0123456789abcdef0", tag)
	}
	f.Fuzz(func(t *testing.T, account, instance, tag string) {
		values := maps.Clone(sample)
		values["AccountID"], values["InstanceID"] = account, instance
		fields := agentpath.Fields{Values: values, Tags: map[string]string{"Name": tag}}
		for i, template := range templates {
			path, err := template.Render(fields)
			if err != nil {
				continue
			}
			if !strings.HasPrefix(path, "/spire/agent/aws_iid/") || strings.Count(path, "/") != segments[i] {
				t.Errorf("got %q of %q", path, fields)
			}
			if values["InstanceID"] != instance {
				t.Error("the values have changed")
			}
		}
	})
}
