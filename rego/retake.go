package rego

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Taken is what was known of a node when another policy decided about it.
type Taken struct {
	Input Input

	// AgentPath is the one that Input.Tofu is about; empty for none.
	AgentPath string

	// TemplateFact is the fact that Input.TemplatedAgentPath is made of, without which
	// there is no such path; empty if it is made of the evidence alone.
	TemplateFact string
}

// A Retaken is what a policy makes of a node that another policy decided about.
type Retaken struct {
	Admission Admission

	// Decision is nil where the admission denies, or Required is not empty.
	Decision *Decision

	// Input is what policy was asked about last.
	Input Input

	// Required and Optional are facts that the policy asks for and that nobody gathered,
	// sorted. It can't decide without those that it requires. Among them are "tofu" where
	// nobody asked whether the agent had attested, and "templated_agent_path" where the
	// policy would have had the template rendered, and nobody did.
	Required, Optional []string
}

// Denials are the violations that deny, wherever they came up.
func (r Retaken) Denials() []Violation {
	if r.Decision != nil {
		return r.Decision.Denials()
	}
	return r.Admission.Denials()
}

// Retake asks about a node that another policy decided about, what the engine would be asked
// if it were in force, in the same order: the admission, without facts; again, when it is
// known whether its agent path is in use; and the decision, with those facts that it asks
// for, which the admission may need for the path, too. An error is of a policy for which the
// node would be refused.
func (e *Engine) Retake(ctx context.Context, was Taken) (Retaken, error) {
	r := Retaken{Input: was.Input}
	r.Input.Facts, r.Input.FactsStatus = nil, nil
	if was.TemplateFact != "" {
		r.Input.TemplatedAgentPath = ""
	}
	if err := e.readmit(ctx, &r, was); err != nil || len(r.Admission.Denials()) > 0 {
		return r, err
	}
	r.lack(was.Input)
	if len(r.Required) > 0 {
		return r, nil
	}
	if e.regather(&r, was); len(r.Required) > 0 {
		return r, nil
	}
	if r.Admission.AgentPath == "" {
		wanted := r.Admission
		err := e.readmit(ctx, &r, was)
		r.Admission.Required, r.Admission.Optional = wanted.Required, wanted.Optional
		switch {
		case err != nil || len(r.Admission.Denials()) > 0:
			return r, err
		case r.Admission.AgentPath == "":
			return r, e.failed(admission, errors.New("gives no agent_path, even with all the facts that it asked for"))
		}
	}
	answer, err := e.Decide(ctx, r.Input)
	if err != nil {
		return r, err
	}
	if len(answer.Denials()) == 0 && answer.AgentPath != r.Admission.AgentPath {
		return r, e.failed(decision, fmt.Errorf("has agent_path %q, but the admission had %q: first use was checked for the latter", answer.AgentPath, r.Admission.AgentPath))
	}
	r.Decision = &answer
	return r, nil
}

// readmit asks for the admission, and once more when first use of its agent path has
// something to say. Most of those that it is about it denies, and nothing else does: of
// them it is asked at once, and not without it.
func (e *Engine) readmit(ctx context.Context, r *Retaken, was Taken) (err error) {
	if tofu := was.Input.Tofu; tofu != nil && *tofu != (Tofu{}) {
		r.Input.Tofu = tofu
		r.Admission, err = e.Admit(ctx, r.Input)
		if err == nil && len(RuleNames(r.Admission.Denials())) == 1 && r.Admission.AgentPath == was.AgentPath {
			return nil
		}
	}
	r.Input.Tofu = nil
	if r.Admission, err = e.Admit(ctx, r.Input); err != nil || len(r.Admission.Denials()) > 0 {
		return err
	}
	path, known := r.Admission.AgentPath, was.Input.Tofu
	if path == "" || known == nil {
		return nil
	}
	r.Input.Tofu = known
	if path != was.AgentPath && was.AgentPath != "" {
		// Nobody has attested under the new path. What is remembered is of the machine,
		// whatever its path, and so is the claim of an attestation under way. That of one
		// that is over runs out soon: it must not hide that first use is open again.
		r.Input.Tofu = &Tofu{Claimed: known.Claimed && !known.Attested, First: known.First}
	}
	if *r.Input.Tofu == (Tofu{}) {
		return nil
	}
	if r.Admission, err = e.Admit(ctx, r.Input); err != nil || len(r.Admission.Denials()) > 0 {
		return err
	}
	if r.Admission.AgentPath != path {
		return e.failed(admission, fmt.Errorf("has an agent_path that depends on input.tofu: %q became %q", path, r.Admission.AgentPath))
	}
	return nil
}

// regather gives the input those facts that the admission asks for, and the path of a
// template that needs some.
func (e *Engine) regather(r *Retaken, was Taken) {
	tofu := r.Input.Tofu
	r.Input = r.Admission.gathered(was.Input)
	r.Input.Tofu = tofu
	if r.Input.Facts == nil && r.Input.FactsStatus == nil { // nobody had asked for any yet
		r.Input.Facts, r.Input.FactsStatus = map[string]any{}, map[string]string{}
		for _, name := range e.facts {
			r.Input.FactsStatus[name] = notCollected
		}
	}
	if was.TemplateFact == "" {
		return
	}
	// The template is rendered for who has no path before the facts, and denies him if
	// there are none.
	fact := r.Input.Facts[was.TemplateFact]
	if r.Admission.AgentPath != "" || fact == nil {
		r.Input.TemplatedAgentPath = ""
	}
	none := slices.Contains(slices.Collect(maps.Values(r.Input.FactsStatus)), absent)
	if r.Admission.AgentPath == "" && r.Input.TemplatedAgentPath == "" && (fact != nil || none) {
		r.Required = []string{"templated_agent_path"}
	}
}

// lack lists what the admission asks for and nobody gathered.
func (r *Retaken) lack(in Input) {
	missing := func(name string) bool {
		_, there := in.Facts[name]
		status := in.FactsStatus[name]
		return !there && (status == "" || status == notCollected)
	}
	for _, name := range r.Admission.Required {
		if missing(name) || in.FactsStatus[name] == notLearned {
			r.Required = append(r.Required, name)
		}
	}
	if in.Tofu == nil {
		r.Required = append(r.Required, "tofu")
	}
	for _, name := range r.Admission.Optional {
		if missing(name) {
			r.Optional = append(r.Optional, name)
		}
	}
	slices.Sort(r.Required)
	slices.Sort(r.Optional)
}
