// Package repo finds the checkout that a test or the demo runs in, and builds
// Gatehouse from it.
package repo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const modulePath = "github.com/spire-gatehouse/gatehouse"

// Root returns the checkout's top directory: the nearest one above the working
// directory that holds Gatehouse's go.mod.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("repo: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && declares(text) {
			return dir, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("repo: %w", err)
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("repo: no module %s at or above %s", modulePath, start)
		}
	}
}

// declares says whether a go.mod is that of Gatehouse's main module.
func declares(gomod []byte) bool {
	lines := bufio.NewScanner(bytes.NewReader(gomod))
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(name) == modulePath
		}
	}
	return false
}

// Cache returns the directory for things that are made once, below the
// checkout, and makes it.
func Cache() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".cache")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("repo: %w", err)
	}
	return dir, nil
}

// BuildGatehouse builds the plugin binary into dir, as a release is built but for the
// profile to optimise by, which takes minutes, and returns its path.
func BuildGatehouse(ctx context.Context, dir string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "gatehouse")
	build := exec.CommandContext(ctx, "make", "build", "PGO=off", "BIN="+binary)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("repo: build gatehouse: %w\n%s", err, output)
	}
	return binary, nil
}

// Checksum is the SHA-256 of a file in hex, as plugin_checksum wants it.
func Checksum(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("repo: %w", err)
	}
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:]), nil
}
