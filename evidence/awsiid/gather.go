package awsiid

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// The names of the facts.
const (
	factEKS             = "eks"
	factInstance        = "instance"
	factInstanceProfile = "instance_profile"
	factOrganization    = "organization"
)

// FactNames lists the facts that can be gathered.
func (c *Collector) FactNames() []string {
	return []string{factEKS, factInstance, factInstanceProfile, factOrganization}
}

// errAbsent: AWS was asked, and there is none.
var errAbsent = errors.New("absent")

// A gathering is one call of Gather.
type gathering struct {
	*Evidence

	// instance gets the instance for all facts that need it, at once or after
	// another asked.
	instance func() (Instance, error)
}

// Gather collects facts by name, all at once.
func (e *Evidence) Gather(ctx context.Context, names []string) map[string]evidence.Fact {
	type answer struct {
		name string
		fact evidence.Fact
	}
	ctx, attempts := withAttempts(ctx)
	g := &gathering{Evidence: e}
	g.instance = once(func() (Instance, error) { return e.findInstance(ctx) })
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
		go func() { answers <- answer{name, g.gather(ctx, name)} }()
	}
	take := func(a answer) {
		if a.fact.Status == evidence.StatusError && ctx.Err() != nil {
			a.fact.Err = attempts.explain(a.fact.Err)
		}
		facts[a.name] = a.fact
	}
	for ; pending > 0; pending-- {
		select {
		case a := <-answers:
			take(a)
		case <-ctx.Done():
			for len(answers) > 0 { // those that came in time
				take(<-answers)
			}
			for name, fact := range facts {
				if fact.Status == "" {
					err := fmt.Errorf("awsiid: fact %s: no answer in time: %w", name, context.Cause(ctx))
					facts[name] = evidence.Failed(attempts.explain(err))
				}
			}
			return facts
		}
	}
	return facts
}

// once returns a function that runs f once, and has all who call it wait for that.
func once[T any](f func() (T, error)) func() (T, error) {
	var begin sync.Once
	var value T
	var err error
	done := make(chan struct{})
	return func() (T, error) {
		begin.Do(func() {
			go func() {
				defer close(done)
				defer recovered.To(&err)
				value, err = f()
			}()
		})
		<-done
		return value, err
	}
}

// gather collects one fact. A panic, in this package or in a client, becomes an
// error: it would otherwise end the whole plugin.
func (g *gathering) gather(ctx context.Context, name string) evidence.Fact {
	value, err := g.ask(ctx, name)
	switch {
	case errors.Is(err, errAbsent):
		return evidence.Absent()
	case err != nil:
		return evidence.Failed(fmt.Errorf("awsiid: %w", err))
	}
	return evidence.Known(value)
}

func (g *gathering) ask(ctx context.Context, name string) (_ any, err error) {
	defer recovered.To(&err)
	switch name {
	case factEKS:
		return g.eks(ctx)
	case factInstance:
		return g.instance()
	case factInstanceProfile:
		return g.instanceProfile(ctx)
	case factOrganization:
		return g.organization(ctx)
	}
	return nil, fmt.Errorf("no fact is named %.64q", name)
}
