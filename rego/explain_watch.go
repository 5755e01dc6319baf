package rego

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// watch sees, as a tracer, what rules give.
type watch struct {
	compiled map[place]*ast.Rule
	places   map[*ast.Rule]place // those of else branches too
	given    map[place]ast.Set
}

var _ topdown.QueryTracer = (*watch)(nil)

// newWatch watches the rules that are parts.
func newWatch(compiler *ast.Compiler, parts []part) *watch {
	w := &watch{compiled: map[place]*ast.Rule{}, places: map[*ast.Rule]place{}, given: map[place]ast.Set{}}
	for _, p := range parts {
		w.given[p.place] = ast.NewSet()
	}
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			at := placeOf(rule)
			if w.given[at] == nil {
				continue
			}
			w.compiled[at] = rule
			for branch := rule; branch != nil; branch = branch.Else {
				w.places[branch] = at
			}
		}
	}
	return w
}

// Enabled implements topdown.QueryTracer.
func (*watch) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (*watch) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer: a rule that is left has a value.
func (w *watch) TraceEvent(event topdown.Event) {
	if event.Op != topdown.ExitOp {
		return
	}
	rule, ok := event.Node.(*ast.Rule)
	if !ok {
		return
	}
	at, watched := w.places[rule]
	if !watched {
		return
	}
	value := rule.Head.Value
	if rule.Head.RuleKind() == ast.MultiValue {
		value = rule.Head.Key
	}
	w.given[at].Add(event.Plug(value))
}

// values are what a rule gave, in order.
func (w *watch) values(at place) ([]any, error) {
	var values []any
	for _, term := range w.given[at].Slice() {
		value, err := ast.JSON(term.Value)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}
