package rego

import (
	"context"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// An Explanation says how a policy came to its answer about one input: rule by
// rule, and in the words of OPA's own trace.
type Explanation struct {
	// Parts are the rules that the answer is put together of: by what they add to,
	// name, file and line.
	Parts []Part

	// Trace has OPA's trace of the last question, a line each; nil unless a level
	// was asked for.
	Trace []string
}

// A Part is one rule that adds to the answer, with what it did this time.
type Part struct {
	// Rule says where the rule is. Its Name is empty for all but checks, and for a
	// check whose name does not show.
	Rule

	// Of is what the rule adds to, as policies call it: "violation", "selector".
	Of string

	// Asked is false where the input has no facts and the rule is of the decision.
	Asked bool

	// Values are what the rule gave, as JSON has them, each once and in order;
	// none if it did not fire.
	Values []any

	// Effect is what became of a violation, one of the Effect constants; empty if
	// there is none.
	Effect string

	// Reads are what the rule may look at, whether or not it came to that: what it
	// refers to itself, and what the rules that it uses do.
	Reads []Read
}

// Fired reports whether the rule gave a value.
func (p Part) Fired() bool { return len(p.Values) > 0 }

// Explain evaluates what Admit does, and what Decide does if the input has facts,
// and says what each rule did. It takes many times as long, and is no part of an
// attestation. An answer that Admit or Decide would refuse is explained too.
func (e *Engine) Explain(ctx context.Context, in Input, level TraceLevel) (_ Explanation, err error) {
	last := admission
	if in.Facts != nil {
		last = decision
	}
	defer func() {
		if err != nil {
			err = e.failed(last, err)
		}
	}()
	defer recovered.To(&err)

	input, err := e.encodeInput(in)
	if err != nil {
		return Explanation{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.explainTime())
	defer cancel()
	seen := newWatch(e.compiler, e.parts)
	if _, err := e.admission.evaluate(ctx, input, in.Time, seen); err != nil {
		return Explanation{}, err
	}
	var events traceEvents
	if last == decision {
		_, err = e.decision.evaluate(ctx, input, in.Time, seen, events.at(level))
	} else if level != TraceNothing {
		_, err = e.admission.evaluate(ctx, input, in.Time, events.at(level))
	}
	if err != nil {
		return Explanation{}, err
	}
	parts, err := e.explain(ctx, seen, input, last)
	return Explanation{Parts: parts, Trace: events.lines(level)}, err
}

// explainTime bounds an explanation.
func (e *Engine) explainTime() time.Duration { return explainFactor * e.timeout }

// explain puts together what was seen of each part.
func (e *Engine) explain(ctx context.Context, seen *watch, input ast.Value, last string) ([]Part, error) {
	parts := make([]Part, 0, len(e.parts))
	var exempt []string
	for _, p := range e.parts {
		part := Part{Rule: p.Rule, Of: p.of.name, Asked: p.of.entrypoint == admission || last == decision}
		var err error
		if part.Values, err = seen.values(p.place); err != nil {
			return nil, err
		}
		if part.Reads, err = e.reads(ctx, seen.compiled[p.place], input); err != nil {
			return nil, err
		}
		for _, value := range part.Values {
			if name, ok := value.(string); ok && part.Of == "exempt" {
				exempt = append(exempt, name)
			}
		}
		parts = append(parts, part)
	}
	for i := range parts {
		parts[i].Effect = e.effect(parts[i], exempt)
	}
	return parts, nil
}

// effect is what becomes of the violations of a part: of several, with names that
// only the evaluation brings out, what is worst for the node.
func (e *Engine) effect(p Part, exempt []string) string {
	if !slices.Contains(checks, p.Of) {
		return ""
	}
	ranks := []string{"", EffectOff, EffectExempt, EffectWarned, EffectDenied}
	worst := 0
	for _, value := range p.Values {
		name := p.Name
		if reason, ok := value.(map[string]any); ok && name == "" {
			name, _ = reason["rule"].(string)
		}
		worst = max(worst, slices.Index(ranks, e.enforced.effect(name, exempt)))
	}
	return ranks[worst]
}
