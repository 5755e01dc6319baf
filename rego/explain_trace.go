package rego

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
)

// TraceLevel says how much of OPA's trace to tell, as the flag of opa eval.
type TraceLevel string

// The levels.
const (
	TraceNothing TraceLevel = ""
	TraceNotes   TraceLevel = "notes" // what policies say with trace()
	TraceFails   TraceLevel = "fails" // what does not hold
	TraceFull    TraceLevel = "full"  // every step
)

// traceEvents buffers a trace.
type traceEvents struct {
	events  topdown.BufferTracer
	enabled bool
	dropped int
}

var _ topdown.QueryTracer = (*traceEvents)(nil)

// at enables the buffer, for any level but TraceNothing.
func (t *traceEvents) at(level TraceLevel) topdown.QueryTracer {
	t.enabled = level != TraceNothing
	return t
}

// Enabled implements topdown.QueryTracer.
func (t *traceEvents) Enabled() bool { return t.enabled }

// Config implements topdown.QueryTracer.
func (t *traceEvents) Config() topdown.TraceConfig { return t.events.Config() }

// TraceEvent implements topdown.QueryTracer.
func (t *traceEvents) TraceEvent(event topdown.Event) {
	if len(t.events) == maxTraceEvents {
		t.dropped++
		return
	}
	t.events.TraceEvent(event)
}

// lines writes the trace as opa eval does.
func (t *traceEvents) lines(level TraceLevel) []string {
	events := []*topdown.Event(t.events)
	switch level {
	case TraceNothing:
		return nil
	case TraceNotes:
		events = lineage.Notes(events)
	case TraceFails:
		events = lineage.Fails(events)
	case TraceFull:
		events = lineage.Full(events)
	}
	var text strings.Builder
	topdown.PrettyTraceWithLocation(&text, events)
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if len(events) == 0 {
		lines = []string{}
	}
	if t.dropped > 0 {
		lines = append(lines, fmt.Sprintf("… and what came of %d more steps", t.dropped))
	}
	return lines
}
