package awsiid

import (
	"context"
	"errors"
	"fmt"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// factInstance is the name of the fact that Instance is.
const factInstance = "instance"

// FactNames lists the facts that can be gathered.
func (c *Collector) FactNames() []string { return []string{factInstance} }

// Gather collects facts by name, all at once.
func (e *Evidence) Gather(ctx context.Context, names []string) map[string]evidence.Fact {
	type answer struct {
		name string
		fact evidence.Fact
	}
	facts := make(map[string]evidence.Fact, len(names))
	// With room for all, so that a late answer keeps no goroutine waiting.
	answers := make(chan answer, len(names))
	pending := 0
	for _, name := range names {
		if _, asked := facts[name]; asked {
			continue
		}
		facts[name] = evidence.Fact{}
		pending++
		go func() { answers <- answer{name, e.gather(ctx, name)} }()
	}
	for ; pending > 0; pending-- {
		select {
		case a := <-answers:
			facts[a.name] = a.fact
		case <-ctx.Done():
			for name, fact := range facts {
				if fact.Status == "" {
					facts[name] = evidence.Failed(fmt.Errorf("awsiid: fact %s: no answer in time: %w", name, context.Cause(ctx)))
				}
			}
			return facts
		}
	}
	return facts
}

// gather collects one fact. A panic, in this package or in a client, becomes an
// error: it would otherwise end the whole plugin.
func (e *Evidence) gather(ctx context.Context, name string) (fact evidence.Fact) {
	defer func() {
		if r := recover(); r != nil {
			fact = evidence.Failed(fmt.Errorf("awsiid: fact %s: panic: %v", name, r))
		}
	}()
	if e.clients == nil {
		return evidence.Failed(fmt.Errorf("awsiid: fact %s: %w", name, errNoClients))
	}
	switch name {
	case factInstance:
		return e.instance(ctx)
	default:
		return evidence.Failed(fmt.Errorf("awsiid: no fact is named %.64q", name))
	}
}

var errNoClients = errors.New("no AWS clients are configured")
