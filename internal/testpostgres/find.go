package testpostgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrNotInstalled is the error when this machine has no PostgreSQL server.
var ErrNotInstalled = errors.New("no PostgreSQL server is installed: run make postgres, or install your system's package, Debian's is postgresql")

// programs are PostgreSQL's own, of one release.
type programs struct{ initdb, postgres string }

// find looks in PATH, and where packages put what isn't meant to be in PATH.
func find() (programs, error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return programs{}, err
		}
		slices.SortFunc(found, func(a, b string) int { return release(b) - release(a) }) // the newest first
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		p := programs{filepath.Join(dir, "initdb"), filepath.Join(dir, "postgres")}
		if isProgram(p.initdb) && isProgram(p.postgres) {
			return p, nil
		}
	}
	return programs{}, ErrNotInstalled
}

// release is the number in a path.
func release(path string) int {
	digits := ""
	for _, r := range path {
		if r >= '0' && r <= '9' {
			digits += string(r)
		}
	}
	number, _ := strconv.Atoi(digits)
	return number
}

func isProgram(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

// run runs a program to its end; the error has what it printed.
func run(command *exec.Cmd) error {
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("testpostgres: %s: %w\n%s", command.Path, err, output)
	}
	return nil
}
