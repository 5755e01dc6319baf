package decisionlog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

	Outcome Outcome
}

// A Reader reads the decisions of a log, one after the other, in constant memory.
// The log may be several rotated files one after the other, unpacked.
type Reader struct {
	in     *bufio.Reader
	line   int
	torn   int
	config struct {
		digest string
		value  map[string]any
	}
}

// NewReader returns a Reader of JSON lines.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(in, 64<<10)} }

// Torn is how many lines were passed over so far because they are no whole event: a
// full disk leaves such behind.
func (r *Reader) Torn() int { return r.torn }

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
	Custom    struct {
		Gatehouse Outcome  `json:"gatehouse"`
		Erased    []string `json:"erased"` // by way of an upload
		Masked    []string `json:"masked"`
	} `json:"custom"`
}

// Next returns the next decision, and io.EOF after the last. What a shadow policy
// answered is passed over: nothing was decided by it.
func (r *Reader) Next() (*Decision, error) {
	for {
		text, err := r.readLine()
		if err != nil {
			return nil, err
		}
		if len(text) == 0 {
			continue
		}
		var e event
		if json.Unmarshal(text, &e) != nil || e.DecisionID == "" {
			r.torn++
			continue
		}
		if e.Path == ConfigPath {
			r.config.digest, r.config.value = e.Custom.Gatehouse.Config, nil
			if err := json.Unmarshal(e.Result, &r.config.value); err != nil {
				return nil, fmt.Errorf("line %d: the configuration: %w", r.line, err)
			}
			continue
		}
		if strings.HasSuffix(e.Path, "/"+shadowQuestion) {
			continue
		}
		return r.decision(e), nil
	}
}

func (r *Reader) decision(e event) *Decision {
	taken := slices.Concat(e.Erased, e.Masked, e.Custom.Erased, e.Custom.Masked)
	d := &Decision{
		Line:       r.line,
		DecisionID: e.DecisionID,
		Time:       e.Timestamp,
		Labels:     e.Labels,
		Bundles:    e.Bundles,
		Input:      e.Input,
		Result:     e.Result,
		Altered:    len(taken) > 0,
		Taken:      taken,
		Outcome:    e.Custom.Gatehouse,
	}
	if path := strings.Split(e.Path, "/"); len(path) == 3 && path[0] == "gatehouse" {
		d.Plugin, d.Question = path[1], path[2]
	}
	if digest := e.Custom.Gatehouse.Config; digest != "" && digest == r.config.digest {
		d.Config, d.ConfigDigest = r.config.value, digest
	}
	return d
}

// errLong is for a line that no decision log has.
var errLong = fmt.Errorf("is longer than %d bytes: this is no decision log", maxConfigLine)

// readLine returns a line without its end. It is valid until the next call.
func (r *Reader) readLine() ([]byte, error) {
	r.line++
	var whole []byte
	for {
		part, err := r.in.ReadSlice('\n')
		switch {
		case err == nil && whole == nil:
			return part[:len(part)-1], nil
		case len(whole)+len(part) > maxConfigLine+1:
			return nil, fmt.Errorf("line %d %w", r.line, errLong)
		}
		whole = append(whole, part...)
		switch {
		case err == nil:
			return whole[:len(whole)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(whole) > 0:
			return whole, nil
		default:
			return nil, err
		}
	}
}
