package authoring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// ErrNoRegal says that the linter isn't installed, and how to get it.
var ErrNoRegal = errors.New("regal, the Rego linter, is not installed: " +
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
		return false, fmt.Errorf("%w (%w)", ErrNoRegal, err)
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
	return errors.Join(
		write(dir, regalConfigPath, policies.RegalConfig),
		os.MkdirAll(filepath.Join(dir, "gatehouse"), 0o755), // it is empty where the baseline is replaced
		copyFiles(dir, l.Under, func(name string) bool { return filepath.Ext(name) == ".rego" && !l.Under.Own(name) }))
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
