// Package testrecording reads the decisions that are recorded in testdata/replay/log.
package testrecording

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// First returns the lines of a plugin's first decisions, with those of the
// configurations that they were made with. dir is the recording's.
func First(dir, plugin string, decisions int) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, plugin+"*.jsonl.gz"))
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, name := range names { // in the order of their times
		lines, decisions, err = first(lines, name, decisions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if decisions > 0 {
		return nil, fmt.Errorf("%s has %d decisions of %s less", dir, decisions, plugin)
	}
	return lines, nil
}

// first adds a file's lines, up to so many decisions, and says how many are left.
func first(lines []string, name string, decisions int) ([]string, int, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return nil, 0, err
	}
	in := bufio.NewReader(unpacked)
	for decisions > 0 {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return lines, decisions, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if !strings.Contains(line, `"path":"gatehouse/config"`) {
			decisions--
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines, 0, nil
}
