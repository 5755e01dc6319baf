package authoring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// errNoRegal says that the linter isn't installed, and how to get it.
var errNoRegal = errors.New("regal, the Rego linter, is not installed: " +
	"see https://www.openpolicyagent.org/projects/regal, or run go install github.com/open-policy-agent/regal@latest; --regal names one that is not in PATH")

// Lint says how Regal is run.
type Lint struct {
	Regal string   // the program: a path, or a name in PATH
	Dir   string   // whose policies to look at
	Args  []string // more arguments for regal lint

	// Under are the files that are under Dir's own in the plugin: without them,
	// Regal would miss what they define.
	Under *policies.Overlay
}

// Run runs Regal and reports whether it found anything. Its configuration is the one for these
// policies, unless Dir has one of its own in .regal.
func (l Lint) Run(ctx context.Context, stdout, stderr io.Writer) (found bool, err error) {
	regal, err := exec.LookPath(l.Regal)
	if err != nil {
		return false, fmt.Errorf("%w (%w)", errNoRegal, err)
	}
	under, err := os.MkdirTemp("", "gatehouse-lint-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(under)
	if err := l.writeUnder(under); err != nil {
		return false, err
	}
	args := append([]string{"lint"}, l.Args...)
	if _, err := os.Stat(filepath.Join(l.Dir, regalConfigPath)); errors.Is(err, fs.ErrNotExist) {
		args = append(args, "--config-file", filepath.Join(under, regalConfigPath))
	}
	cmd := exec.CommandContext(ctx, regal, append(args, l.Dir, filepath.Join(under, "gatehouse"))...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	if exited, ok := errors.AsType[*exec.ExitError](err); ok && slices.Contains(regalFound, exited.ExitCode()) {
		return true, nil
	}
	return false, err
}

// regalFound are Regal's exit codes for warnings and for violations.
var regalFound = []int{2, 3}

const regalConfigPath = ".regal/config.yaml"

func (l Lint) writeUnder(dir string) error {
	config, err := l.config()
	return errors.Join(err,
		write(dir, regalConfigPath, config),
		os.MkdirAll(filepath.Join(dir, "gatehouse"), 0o755), // it is empty where the baseline is replaced
		copyFiles(dir, l.Under, func(name string) bool { return filepath.Ext(name) == ".rego" && !l.Under.Own(name) }))
}

// config is the configuration for these policies, to which the directory's own data
// is known: Regal sees policies only, and would miss it.
func (l Lint) config() ([]byte, error) {
	var config struct {
		Rules map[string]map[string]map[string]any `yaml:"rules"`
	}
	if err := yaml.Unmarshal(policies.RegalConfig, &config); err != nil {
		return nil, err
	}
	rule := config.Rules["imports"]["unresolved-reference"]
	known, _ := rule["except-paths"].([]any)
	err := fs.WalkDir(l.Under, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(entry.Name(), "data.") || !l.Under.Own(name) {
			return err
		}
		roots, err := l.dataRoots(name)
		for _, root := range roots {
			known = append(known, root, root+".**")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	rule["except-paths"] = known
	return yaml.Marshal(config)
}

// dataRoots are what a data file defines: below its folder, or the keys of a file
// that is in none.
func (l Lint) dataRoots(name string) ([]string, error) {
	if folder := path.Dir(name); folder != "." {
		return []string{"data." + strings.ReplaceAll(folder, "/", ".")}, nil
	}
	text, err := fs.ReadFile(l.Under, name)
	if err != nil {
		return nil, err
	}
	var data map[string]any
	if err := yaml.Unmarshal(text, &data); err != nil { // JSON is YAML
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var roots []string
	for _, key := range slices.Sorted(maps.Keys(data)) {
		roots = append(roots, "data."+key)
	}
	return roots, nil
}

// copyFiles writes the chosen files of a tree below a folder.
func copyFiles(dir string, from fs.FS, chosen func(name string) bool) error {
	return fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !chosen(name) {
			return err
		}
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return write(dir, name, text)
	})
}

// write writes a new file; one that is there is an error.
func write(dir, name string, text []byte) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
