package rego

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// Asked is one question that was put to policy, and its answer as policy gave it:
// before it was looked at, and before the configuration turned any rule down. The
// zero value is no question at all.
type Asked struct {
	// Question is the entrypoint: "admission" or "decision".
	Question string

	input    ast.Value
	answer   ast.Value
	enforced enforcement
}

type observerKey struct{}

// WithObserver has observe hear of every question that is asked with ctx, when it
// is answered or has failed. It is called by the goroutine that asks.
func WithObserver(ctx context.Context, observe func(Asked)) context.Context {
	return context.WithValue(ctx, observerKey{}, observe)
}

func tell(ctx context.Context, asked Asked) {
	if observe, ok := ctx.Value(observerKey{}).(func(Asked)); ok {
		observe(asked)
	}
}

// Unasked is a question that was not put to policy, for the log's sake: it has the
// input and no answer.
func (e *Engine) Unasked(question string, in Input) (Asked, error) {
	input, err := e.encodeInput(in)
	if err != nil {
		return Asked{}, e.failed(question, err)
	}
	return Asked{Question: question, input: input}, nil
}

// Input is the whole input document as JSON has it: maps, slices, texts,
// json.Numbers, booleans and nil. DecodeInput reads its JSON, and the same
// question with that input has the same answer. It is nil if nothing was asked,
// and a copy otherwise.
func (a Asked) Input() (any, error) { return plain("input", a.input) }

// Answer is what policy answered, as JSON has it: a set is a sorted list. It is nil
// if there was no answer, and a copy otherwise.
func (a Asked) Answer() (any, error) { return plain("answer", a.answer) }

// Answered says whether there was an answer.
func (a Asked) Answered() bool { return a.answer != nil }

func plain(what string, value ast.Value) (_ any, err error) {
	if value == nil {
		return nil, nil
	}
	defer recovered.To(&err)
	document, err := ast.JSON(value)
	if err != nil {
		return nil, fmt.Errorf("rego: %s: %w", what, err)
	}
	return document, nil
}

// What came of a rule that fired.
const (
	EffectDenied = "denied"
	EffectWarned = "warned"
	EffectExempt = "exempt" // it would have denied
	EffectOff    = "off"    // it would have denied or warned, and is turned off
)

// Fired is a rule that fired, and what came of it.
type Fired struct {
	Rule   string `json:"rule"`
	Effect string `json:"effect"`
}

// Fired lists the rules that fired, sorted, each effect of one once. Of an answer
// that is out of shape it has what can be told.
func (a Asked) Fired() []Fired {
	answer, ok := a.answer.(ast.Object)
	if !ok {
		return nil
	}
	part := func(name string) ast.Value {
		if term := answer.Get(ast.StringTerm(name)); term != nil {
			return term.Value
		}
		return ast.NewSet()
	}
	var f fields
	violations, warnings := f.reasons("violations", part("violations")), f.reasons("warnings", part("warnings"))
	exempt := f.names("exempt", part("exempt"))

	var fired []Fired
	for _, v := range violations {
		fired = append(fired, Fired{v.Rule, a.enforced.effect(v.Rule, exempt)})
	}
	for _, w := range warnings {
		fired = append(fired, Fired{w.Rule, EffectWarned})
	}
	slices.SortFunc(fired, func(a, b Fired) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Effect, b.Effect))
	})
	return slices.Compact(fired)
}
