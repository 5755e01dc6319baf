package main

import (
	"strings"
	"testing"
)

// TestShownValues: of a long value people are shown the beginning.
func TestShownValues(t *testing.T) {
	whole := strings.Repeat("é", maxShown-len(`[""]`))
	if got, want := valueText([]string{whole}), `["`+whole+`"]`; got != want {
		t.Errorf("%d characters: got %s, want %s", maxShown, got, want)
	}
	if got, want := valueText([]string{whole + "é"}), `["`+whole+`é"…`; got != want {
		t.Errorf("one more: got %s, want %s", got, want)
	}
}

// TestSizesOfFiles tries the bound on both sides.
func TestSizesOfFiles(t *testing.T) {
	if _, err := readAll(strings.NewReader(strings.Repeat(" ", maxFile)), "in"); err != nil {
		t.Error(err)
	}
	if _, err := readAll(strings.NewReader(strings.Repeat(" ", maxFile+1)), "in"); err == nil || err.Error() != "in: is longer than 16777216 bytes" {
		t.Errorf("one byte more: got %v", err)
	}
}
