package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// recorded is an input, and what a log says about the decision.
type recorded struct {
	input rego.Input

	// Of a decision log; zero for an input document.
	decisionID string
	outcome    string
	erased     []string
	config     map[string]any // data.gatehouse.config; nil if the log lacks it
}

func readAll(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("is longer than %d bytes", maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

func readInput(name string) (*recorded, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err
	}
	in, err := rego.DecodeInput(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &recorded{input: in}, nil
}

// readLog finds a decision in a log.
func readLog(name, decisionID string) (*recorded, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	var found *decisionlog.Decision
	decisions := 0
	for reader := decisionlog.NewReader(f); ; {
		d, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if d.Plugin != "" && (decisionID == "" || d.DecisionID == decisionID) {
			found = d
			decisions++
		}
	}
	switch {
	case decisions == 0 && decisionID == "":
		return nil, fmt.Errorf("%s: has no decision of Gatehouse", name)
	case decisions == 0:
		return nil, fmt.Errorf("%s: has no decision %s", name, decisionID)
	case decisions > 1 && decisionID == "":
		return nil, usageErrorf("%s has %d decisions: choose one with --decision-id", name, decisions)
	}
	r, err := newRecorded(found)
	if err != nil {
		return nil, fmt.Errorf("%s: decision %s: %w", name, found.DecisionID, err)
	}
	return r, nil
}

func newRecorded(d *decisionlog.Decision) (*recorded, error) {
	if d.Input.IsNull() {
		return nil, errors.New("has no input: nothing was verified, or the log left it out")
	}
	input, err := rego.InputOf(d.Input)
	if err != nil {
		return nil, err
	}
	r := &recorded{input: input, decisionID: d.DecisionID, outcome: d.Outcome.Outcome, config: d.Config}
	for _, path := range d.Taken {
		if path == "/input" || strings.HasPrefix(path, "/input/") {
			r.erased = append(r.erased, path)
		}
	}
	return r, nil
}
