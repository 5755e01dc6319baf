package decisionlog

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A Decision is a line of a decision log that can be taken again.
type Decision struct {
	Line       int // in the log, from 1
	DecisionID string
	Time       time.Time
	Labels     map[string]string
	Bundles    map[string]struct {
		Revision string `json:"revision"`
	}

	// Plugin and Question come from the path. Question is "admission", "decision"
	// or "verify", for evidence that was refused before policy was asked.
	Plugin, Question string

	// Input and Result are nil where they are not in the log. rego.DecodeInput reads
	// an input.
	Input, Result json.RawMessage

	// Altered says that the policy masked something, or that something was withheld:
	// the input may not be what was decided on. Taken names what, "/input/peer" say.
	Altered bool
	Taken   []string

	// Config is data.gatehouse.config of the decision; nil if the log doesn't have it.
	Config map[string]any

	// ConfigDigest is the same for the same Config, and empty for none.
	ConfigDigest string

	// Metrics has how long the steps took, such as timer_decide_ns.
	Metrics map[string]any

	Outcome Outcome
}

// event is OPA's EventV1, which can't itself be read back where it holds an error.
type event struct {
	Labels     map[string]string `json:"labels"`
	DecisionID string            `json:"decision_id"`
	Bundles    map[string]struct {
		Revision string `json:"revision"`
	} `json:"bundles"`
	Path      string          `json:"path"`
	Input     json.RawMessage `json:"input"`
	Result    json.RawMessage `json:"result"`
	Erased    []string        `json:"erased"`
	Masked    []string        `json:"masked"`
	Timestamp time.Time       `json:"timestamp"`
	Metrics   map[string]any  `json:"metrics"`
	Custom    struct {
		Gatehouse Outcome  `json:"gatehouse"`
		Erased    []string `json:"erased"` // by way of an upload
		Masked    []string `json:"masked"`
	} `json:"custom"`
}

// Decision reads the line. Its error is a LineError.
func (l Line) Decision() (*Decision, error) {
	var e event
	if err := json.Unmarshal(l.text, &e); err != nil {
		why := ErrForeign
		if !json.Valid(l.text) {
			why = ErrTorn
		}
		return nil, &LineError{l.Number, why}
	}
	path := strings.Split(e.Path, "/")
	if e.DecisionID == "" || len(path) != 3 || path[0] != "gatehouse" {
		return nil, &LineError{l.Number, ErrForeign}
	}
	taken := slices.Concat(e.Erased, e.Masked, e.Custom.Erased, e.Custom.Masked)
	d := &Decision{
		Line:       l.Number,
		DecisionID: e.DecisionID,
		Time:       e.Timestamp,
		Labels:     e.Labels,
		Bundles:    e.Bundles,
		Plugin:     path[1],
		Question:   path[2],
		Input:      e.Input,
		Result:     e.Result,
		Altered:    len(taken) > 0,
		Taken:      taken,
		Metrics:    e.Metrics,
		Outcome:    e.Custom.Gatehouse,
	}
	for _, c := range l.configs {
		if digest := e.Custom.Gatehouse.Config; digest != "" && digest == c.digest {
			d.Config, d.ConfigDigest = c.value, digest
			break
		}
	}
	return d, nil
}
