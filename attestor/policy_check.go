package attestor

import (
	"context"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// PolicyDirectory is a directory of policies outside of a server: what the block
// policy of plugin_data names. The commands of authors look at one as the plugin
// does, with the plugin's own code.
type PolicyDirectory struct {
	Path string

	// WithoutBaseline has it replace the baseline, rather than add to it.
	WithoutBaseline bool
}

// Files are the directory's files with those of Gatehouse under them.
func (d PolicyDirectory) Files() (*policies.Overlay, error) { return d.loader("", nil).overlay() }

// Load makes an engine of the directory as the plugin does before a revision takes
// over, with the same checks, or returns all that is wrong. config is what becomes
// data.gatehouse.config.
func (d PolicyDirectory) Load(ctx context.Context, plugin string, config map[string]any) (_ *rego.Engine, problems []string) {
	revision, err := d.loader(plugin, config).load(ctx)
	if err != nil {
		return nil, messages(err)
	}
	return revision.engine, nil
}

// Problems splits an error about a policy's files into the single ones, each of which
// begins with file and line where it has them.
func Problems(err error) []string { return messages(err) }

func (d PolicyDirectory) loader(plugin string, config map[string]any) policyLoader {
	source := policySource{Directory: d.Path, WithoutBaseline: d.WithoutBaseline}
	return policyLoader{plugin: plugin, source: source, config: config}
}

var packageClause = regexp.MustCompile(`(?m)^package gatehouse\.([a-z0-9_]+)`)

// Plugins names the plugins to whose packages the directory's own files belong, or
// all plugins if there are none: a directory of data, say, may be for either.
func (d PolicyDirectory) Plugins() ([]string, error) {
	files, err := d.Files()
	if err != nil {
		return nil, err
	}
	var all, found []string
	for _, kind := range Kinds() {
		all = append(all, kind.Name())
	}
	err = fs.WalkDir(files, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".rego") || !files.Own(name) {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		for _, match := range packageClause.FindAllSubmatch(text, -1) {
			plugin := strings.TrimSuffix(string(match[1]), "_test")
			if slices.Contains(all, plugin) && !slices.Contains(found, plugin) {
				found = append(found, plugin)
			}
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		return all, err
	}
	slices.Sort(found)
	return found, nil
}
