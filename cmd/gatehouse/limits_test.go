package main

import (
	"strings"
	"testing"
)

// TestSizesOfFiles tries the bound on both sides.
func TestSizesOfFiles(t *testing.T) {
	if _, err := readAll(strings.NewReader(strings.Repeat(" ", maxFile)), "in"); err != nil {
		t.Error(err)
	}
	if _, err := readAll(strings.NewReader(strings.Repeat(" ", maxFile+1)), "in"); err == nil || err.Error() != "in: is longer than 16777216 bytes" {
		t.Errorf("one byte more: got %v", err)
	}
}
