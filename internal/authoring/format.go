package authoring

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// A Formatted file is one that opa fmt would write otherwise.
type Formatted struct {
	Path     string
	Old, New []byte
}

// Format formats the policies among the paths and in the folders among them,
// those that are hidden by a dot left out, and returns the files that differ. It
// writes nothing.
func Format(paths ...string) ([]Formatted, error) {
	var changed []Formatted
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case path != root && strings.HasPrefix(entry.Name(), "."):
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			case entry.IsDir() || filepath.Ext(path) != ".rego":
				return nil
			}
			old, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			formatted, err := format.SourceWithOpts(path, old, format.Opts{RegoVersion: ast.RegoV1})
			if err != nil {
				return fmt.Errorf("format: %w", err)
			}
			if !bytes.Equal(old, formatted) {
				changed = append(changed, Formatted{path, old, formatted})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// Write puts the formatted text in the file's place.
func (f Formatted) Write() error {
	path, err := filepath.EvalSymlinks(f.Path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return ReplaceFile(path, f.New, info.Mode().Perm())
}

// ReplaceFile writes a file at once: a server may be watching it.
func ReplaceFile(path string, text []byte, mode fs.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".gatehouse-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // gone already when all went well
	if _, err := temporary.Write(text); err != nil {
		return errors.Join(err, temporary.Close())
	}
	if err := errors.Join(temporary.Chmod(mode), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
