package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// What is read may have these sizes, in bytes.
const (
	maxFile    = 16 << 20
	maxLogLine = 8<<20 + 1
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

// logLine is what is of use here in a line of a decision log.
type logLine struct {
	DecisionID string          `json:"decision_id"`
	Path       string          `json:"path"`
	Input      json.RawMessage `json:"input"`
	Result     json.RawMessage `json:"result"`
	Erased     []string        `json:"erased"`
	Masked     []string        `json:"masked"`
	Custom     struct {
		Gatehouse struct {
			Outcome string `json:"outcome"`
		} `json:"gatehouse"`
	} `json:"custom"`
}

// readLog finds a decision in a log, and the configuration line above it.
func readLog(name, decisionID string) (*recorded, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLogLine)
	var config, found, configOfFound json.RawMessage
	decisions := 0
	for lines.Scan() {
		var line logLine
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // torn, by a full disk or a crash
		}
		switch {
		case line.Path == "gatehouse/config":
			config = bytes.Clone(line.Result)
		case !strings.HasPrefix(line.Path, "gatehouse/"):
		case decisionID == "" || line.DecisionID == decisionID:
			decisions++
			found, configOfFound = bytes.Clone(lines.Bytes()), config
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%s: a line is longer than %d bytes", name, maxLogLine)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case decisions == 0 && decisionID == "":
		return nil, fmt.Errorf("%s: has no decision of Gatehouse", name)
	case decisions == 0:
		return nil, fmt.Errorf("%s: has no decision %s", name, decisionID)
	case decisions > 1 && decisionID == "":
		return nil, usageErrorf("%s has %d decisions: choose one with --decision-id", name, decisions)
	}
	r, err := newRecorded(found, configOfFound)
	if err != nil {
		return nil, fmt.Errorf("%s: decision %s: %w", name, r.decisionID, err)
	}
	return r, nil
}

func newRecorded(text, config json.RawMessage) (*recorded, error) {
	var line logLine
	if err := json.Unmarshal(text, &line); err != nil {
		return &recorded{}, err
	}
	r := &recorded{decisionID: line.DecisionID, outcome: line.Custom.Gatehouse.Outcome}
	for _, path := range append(line.Erased, line.Masked...) {
		if path == "/input" || strings.HasPrefix(path, "/input/") {
			r.erased = append(r.erased, path)
		}
	}
	if len(line.Input) == 0 {
		return r, errors.New("has no input: nothing was verified, or the log left it out")
	}
	if config != nil {
		if err := json.Unmarshal(config, &r.config); err != nil {
			return r, fmt.Errorf("the configuration above it: %w", err)
		}
	}
	var err error
	r.input, err = rego.DecodeInput(line.Input)
	return r, err
}
