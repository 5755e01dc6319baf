package decisionlog

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/rego"
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

	// Input and Result are null where they are not in the log. rego.InputOf reads an
	// input.
	Input, Result rego.Value

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

// event is OPA's EventV1 without input and result. It can't itself be read back where
// it holds an error.
type event struct {
	Labels     map[string]string `json:"labels"`
	DecisionID string            `json:"decision_id"`
	Bundles    map[string]struct {
		Revision string `json:"revision"`
	} `json:"bundles"`
	Path      string         `json:"path"`
	Erased    []string       `json:"erased"`
	Masked    []string       `json:"masked"`
	Timestamp time.Time      `json:"timestamp"`
	Metrics   map[string]any `json:"metrics"`
	Custom    struct {
		Gatehouse Outcome  `json:"gatehouse"`
		Erased    []string `json:"erased"` // by way of an upload
		Masked    []string `json:"masked"`
	} `json:"custom"`
}

// Decision reads the line. Its error is a LineError.
func (l Line) Decision() (*Decision, error) {
	parser := l.parsers.Get()
	defer l.parsers.Put(parser)
	parsed, err := parser.ParseBytes(l.text)
	if err != nil || slices.ContainsFunc(l.text, isControl) {
		return nil, &LineError{l.Number, ErrTorn}
	}
	input, inputErr := rego.ValueOf(parsed.Get("input"))
	result, resultErr := rego.ValueOf(parsed.Get("result"))
	parsed.Del("input") // most of the line, which is read
	parsed.Del("result")
	var e event
	if err := json.Unmarshal(parsed.MarshalTo(nil), &e); err != nil || inputErr != nil || resultErr != nil {
		return nil, &LineError{l.Number, ErrForeign}
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
		Input:      input,
		Result:     result,
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

// isControl reports whether a byte may not be in a line: a file has zeros where a
// crash kept something from being written.
func isControl(b byte) bool { return b < ' ' && b != '\t' && b != '\r' }
