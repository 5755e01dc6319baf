package e2e_test

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
)

// TestBuildIsStaticAndReproducible: the same source gives the same
// plugin_checksum, wherever it lies, and the binary runs on any Linux, whatever
// libraries that has. (Of the profile that a release is optimised by, a program built
// with -trimpath has but the file's name.)
func TestBuildIsStaticAndReproducible(t *testing.T) {
	t.Parallel()
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	program, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, header := range program.Progs {
		if header.Type == elf.PT_INTERP || header.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a %v: it is not static", header.Type)
		}
	}

	elsewhere := copySource(t)
	build := exec.CommandContext(t.Context(), "make", "build", "PGO=off")
	build.Dir = elsewhere
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the copy: %v\n%s", err, output)
	}
	var sums [2]string
	for i, file := range []string{binary, filepath.Join(elsewhere, "bin", "gatehouse")} {
		if sums[i], err = repo.Checksum(file); err != nil {
			t.Fatal(err)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("built in two places, the binaries have the checksums %s and %s", sums[0], sums[1])
	}
}

// TestProfile: the compiler can read the profile by which it optimises a release.
func TestProfile(t *testing.T) {
	t.Parallel()
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	prepare := exec.CommandContext(t.Context(), "go", "tool", "preprofile", "-i", filepath.Join(root, "tools", "cpu.pgo"), "-o", filepath.Join(t.TempDir(), "edges"))
	if output, err := prepare.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// copySource copies the checkout without what was made in it.
func copySource(t *testing.T) string {
	t.Helper()
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	target := t.TempDir()
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case name == ".git", name == ".cache", name == "bin", name == "e2e":
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(target, name), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(target, name), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return target
}
