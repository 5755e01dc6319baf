package decisionlog

import (
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// A Decision is a line of a decision log that can be taken again.
type Decision struct {
	Line       int // in the log, from 1
	DecisionID string
	Gatehouse  string            // the version that decided
	Revisions  map[string]string // of the policy, and of the bundles that it came from, by their names

	// Plugin and Question come from the path. Question is "admission", "decision"
	// or "verify", for evidence that was refused before policy was asked.
	Plugin, Question string

	// Input is null where it is not in the log. rego.InputOf reads it.
	Input rego.Value

	// Result is nil where it is not in the log. ResultErr says what of it is of another
	// kind than this version writes, and so is not read.
	Result    *Result
	ResultErr error

	// Taken names what the policy masked and what was withheld, "/input/peer" say: if
	// there is any, the input may not be what was decided on.
	Taken []string

	// Config is data.gatehouse.config of the decision; nil if the log doesn't have it.
	Config map[string]any

	// ConfigDigest is the same for the same Config, and empty for none.
	ConfigDigest string

	// Took is how long policy took for both questions; 0 if the log does not say.
	Took time.Duration

	// Outcome has the fields Outcome, Error, Config, Node, AgentID and Rules; no others are
	// read.
	Outcome Outcome
}

// lineParser reads lines, by one goroutine at a time.
type lineParser struct {
	json  fastjson.Parser
	names rego.Names
}

// Decision reads the line. Its error is a LineError.
func (l Line) Decision() (*Decision, error) {
	parser := l.parsers.Get().(*lineParser)
	defer l.parsers.Put(parser)
	parsed, err := parser.json.ParseBytes(l.text)
	if err != nil || slices.ContainsFunc(l.text, isControl) {
		return nil, &LineError{l.Number, ErrTorn}
	}
	d := &Decision{Line: l.Number}
	if !d.read(parsed, &parser.names) {
		return nil, &LineError{l.Number, ErrForeign}
	}
	for _, c := range l.configs {
		if digest := d.Outcome.Config; digest != "" && digest == c.digest {
			d.Config, d.ConfigDigest = c.value, digest
			break
		}
	}
	return d, nil
}

// read reads OPA's EventV1, as far as it is needed: the rest of a line takes long
// to read. ok is false of anything that is no decision of Gatehouse.
func (d *Decision) read(event *fastjson.Value, names *rego.Names) (ok bool) {
	r := fieldReader{ok: event.Type() == fastjson.TypeObject}
	var inputErr error
	d.Input, inputErr = rego.ValueOf(event.Get("input"), names)
	d.Result, d.ResultErr = readResult(event.Get("result"))

	d.DecisionID = r.text(event.Get("decision_id"))
	d.Gatehouse = r.text(r.member(event, "labels", "gatehouse"))
	r.members(event.Get("bundles"), func(name string, bundle *fastjson.Value) {
		if d.Revisions == nil {
			d.Revisions = map[string]string{}
		}
		d.Revisions[name] = r.text(r.member(bundle, "revision"))
	})
	metrics := event.Get("metrics")
	for _, question := range []string{"timer_admit_ns", "timer_decide_ns"} {
		d.Took += time.Duration(r.number(r.member(metrics, question)))
	}

	custom := event.Get("custom")
	d.Taken = slices.Concat(r.texts(event.Get("erased")), r.texts(event.Get("masked")),
		r.texts(r.member(custom, "erased")), r.texts(r.member(custom, "masked"))) // by way of an upload
	logged := r.member(custom, "gatehouse")
	d.Outcome = Outcome{
		Outcome: r.text(r.member(logged, "outcome")), Error: r.text(r.member(logged, "error")),
		Config: r.text(r.member(logged, "config")), Node: r.text(r.member(logged, "node")),
		AgentID: r.text(r.member(logged, "agent_id")),
	}
	for _, rule := range r.elements(r.member(logged, "rules")) {
		d.Outcome.Rules = append(d.Outcome.Rules, rego.Fired{Rule: r.text(r.member(rule, "rule")), Effect: r.text(r.member(rule, "effect"))})
	}

	path := strings.Split(r.text(event.Get("path")), "/")
	if !r.ok || inputErr != nil || d.DecisionID == "" || len(path) != 3 || path[0] != "gatehouse" {
		return false
	}
	d.Plugin, d.Question = path[1], path[2]
	return true
}

// isControl reports whether a byte may not be in a line: a file has zeros where a
// crash kept something from being written.
func isControl(b byte) bool { return b < ' ' && b != '\t' && b != '\r' }
