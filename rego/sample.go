package rego

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// tryOut asks both questions about every sample, so that a policy that can give
// no answer is found before a node asks. What it answers is its own business.
func (e *Engine) tryOut(ctx context.Context, samples fs.FS) error {
	if samples == nil {
		return nil
	}
	names, err := fs.Glob(samples, "*.json")
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range names {
		text, err := fs.ReadFile(samples, name)
		if err != nil {
			return err
		}
		in, err := DecodeInput(text)
		if err != nil {
			return fmt.Errorf("sample %s: %w", name, err)
		}
		if err := e.try(ctx, in); err != nil {
			problems = append(problems, fmt.Errorf("tried on sample %s: %w", path.Base(name), err))

			// The others would only take their time, too.
			if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
				break
			}
		}
	}
	return errors.Join(problems...)
}

// try asks both questions, whatever the answer to the first: most real configurations
// deny the samples' accounts and tenants.
func (e *Engine) try(ctx context.Context, in Input) error {
	early := in
	early.Facts, early.FactsStatus = nil, nil
	admission, err := e.Admit(ctx, early)
	if err != nil {
		return err
	}
	if err := e.checkFacts(admission); err != nil {
		return err
	}
	decision, err := e.Decide(ctx, in)
	if err != nil || admission.AgentPath == "" || len(admission.Denials()) > 0 || len(decision.Denials()) > 0 {
		return err
	}
	if decision.AgentPath != admission.AgentPath {
		return e.failed("decision", fmt.Errorf("has agent_path %q, but the admission had %q", decision.AgentPath, admission.AgentPath))
	}
	return nil
}
