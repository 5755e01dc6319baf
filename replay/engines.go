package replay

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// engines are a policy's engines, one for each plugin and configuration that
// decisions were made with. They are safe for concurrent use.
type engines struct {
	policy Policy
	late   atomic.Int64 // decisions that took askTimeout and longer

	mu     sync.Mutex
	loaded map[engineKey]*loading
	used   []engineKey            // in the order of loading
	rules  map[string][]rego.Rule // of a plugin
}

type engineKey struct{ plugin, config string }

type loading struct {
	once   sync.Once
	engine *rego.Engine
	err    error
}

func newEngines(policy Policy) *engines {
	return &engines{policy: policy, loaded: map[engineKey]*loading{}, rules: map[string][]rego.Rule{}}
}

// get loads an engine, once for all who ask for it.
func (e *engines) get(ctx context.Context, plugin, digest string, config map[string]any) (*rego.Engine, error) {
	key := engineKey{plugin, digest}
	e.mu.Lock()
	l := e.loaded[key]
	if l == nil {
		l = &loading{}
		e.loaded[key] = l
		if e.used = append(e.used, key); len(e.used) > maxEngines {
			delete(e.loaded, e.used[0])
			e.used = e.used[1:]
		}
	}
	e.mu.Unlock()
	l.once.Do(func() {
		l.engine, l.err = rego.New(ctx, e.options(plugin, config))
		if l.err != nil {
			l.err = fmt.Errorf("policy %s for %s: %w", e.policy.Name, plugin, l.err)
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.rules[plugin] = l.engine.Rules()
	})
	return l.engine, l.err
}

// rulesOf are the rules of an engine that was loaded for a plugin.
func (e *engines) rulesOf(plugin string) []rego.Rule {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rules[plugin]
}

func (e *engines) options(plugin string, config map[string]any) rego.Options {
	return rego.Options{Plugin: plugin, Policy: e.policy.Files, Replaces: e.policy.replaced[plugin], Config: config, Timeout: askTimeout}
}
