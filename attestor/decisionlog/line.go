package decisionlog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/google/uuid"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
)

// ConfigPath is the path of a configuration line; its result is what policy finds
// in data.gatehouse.config.
const ConfigPath = "gatehouse/config"

// shadowQuestion is the last part of the path of what a shadow policy answered. Such
// a line is no decision.
const shadowQuestion = "shadow"

// A line is an event in OPA's format, with its JSON.
type line struct {
	event logs.EventV1
	json  []byte
}

// lineOf writes an event down, with what the policy doesn't want in it taken away.
// It is nil if the policy wants none of it. The error says what had to be withheld
// and why; the line is there all the same.
func (l *Log) lineOf(ctx context.Context, e *Event) (*line, error) {
	event, err := l.eventOf(e)
	if err == nil {
		var drop bool
		if drop, err = redact(ctx, e.Engine, &event, e.Time); drop {
			return nil, nil
		}
	}
	if err != nil {
		event = l.bare(e, "the policy's redaction failed")
	} else if len(event.Erased)+len(event.Masked) > 0 {
		withholdShadow(&event)
	}
	text, marshalErr := json.Marshal(event)
	switch {
	case marshalErr != nil:
		err = marshalErr
		event = l.bare(e, "it can't be written as JSON")
	case len(text) > maxLine:
		err = fmt.Errorf("has %d bytes, more than %d", len(text), maxLine)
		event = l.bare(e, "the line was too long")
	default:
		return &line{event, text}, err
	}
	text, marshalErr = json.Marshal(event)
	if marshalErr != nil {
		return nil, marshalErr
	}
	return &line{event, text}, err
}

// eventOf is the event with all that there is to say.
func (l *Log) eventOf(e *Event) (logs.EventV1, error) {
	input, err := e.Asked.Input()
	if err != nil {
		return logs.EventV1{}, err
	}
	result, err := e.Asked.Answer()
	if err != nil {
		return logs.EventV1{}, err
	}
	outcome := e.Outcome
	outcome.Rules = append(outcome.Rules, e.Asked.Fired()...)
	event := l.envelope(e, outcome)
	if input != nil {
		event.Input = &input
	}
	if result != nil {
		event.Result = &result
	}
	if e.PeerIP.IsValid() {
		event.RequestedBy = e.PeerIP.String()
	}
	return event, nil
}

// bare is the event without anything that came from the node, or from what the
// cloud says about it.
func (l *Log) bare(e *Event, why string) logs.EventV1 {
	event := l.envelope(e, Outcome{
		Outcome:  e.Outcome.Outcome,
		Rules:    append(e.Outcome.Rules, e.Asked.Fired()...),
		Withheld: why,
	})
	event.Erased = []string{"/input", "/result", "/requested_by", "/custom/gatehouse"}
	return event
}

// envelope is the event without its contents. OPA's field for an error stays
// empty: its uploader reads its own chunks back, and can't read an error.
func (l *Log) envelope(e *Event, outcome Outcome) logs.EventV1 {
	event := logs.EventV1{
		Labels:     maps.Clone(l.labels),
		DecisionID: e.DecisionID,
		Path:       l.path(e),
		Timestamp:  e.Time.UTC(),
		Metrics:    map[string]any{},
	}
	for step, took := range e.Took {
		event.Metrics["timer_"+step+"_ns"] = took.Nanoseconds()
	}
	switch {
	case e.Outcome.Shadow != nil:
		event.Bundles = map[string]logs.BundleInfoV1{"gatehouse": {Revision: e.Outcome.Shadow.Revision}}
	case e.Engine != nil:
		// Last, in the place of a bundle of that name: the whole policy's revision.
		event.Bundles = map[string]logs.BundleInfoV1{}
		for name, revision := range e.Bundles {
			event.Bundles[name] = logs.BundleInfoV1{Revision: revision}
		}
		event.Bundles["gatehouse"] = logs.BundleInfoV1{Revision: e.Engine.Revision()}
	}
	if e.Config != nil {
		outcome.Config = e.Config.digest
	}
	event.Custom = map[string]any{"gatehouse": outcome}
	return event
}

// path says what policy was asked, or that it was not.
func (l *Log) path(e *Event) string {
	question := e.Asked.Question
	switch {
	case e.Outcome.Shadow != nil:
		question = shadowQuestion
	case question == "":
		question = "verify"
	}
	return "gatehouse/" + l.labels["plugin"] + "/" + question
}

// configLine is the line above the decisions that are made with a configuration;
// nil if it can't be written, which the server's log then has.
func (l *Log) configLine(e *Event) *line {
	event := logs.EventV1{
		Labels:     maps.Clone(l.labels),
		DecisionID: uuid.NewString(),
		Path:       ConfigPath,
		Result:     &e.Config.value,
		Timestamp:  e.Time.UTC(),
		Custom:     map[string]any{"gatehouse": Outcome{Outcome: "configured", Config: e.Config.digest}},
	}
	text, err := json.Marshal(event)
	if err == nil && len(text) > maxConfigLine {
		err = fmt.Errorf("its line has %d bytes, more than %d", len(text), maxConfigLine)
	}
	if err != nil {
		l.log.Error("Decision log lacks a configuration: what is decided with it can't be replayed", "config", e.Config.digest, "error", err)
		return nil
	}
	return &line{event, text}
}
