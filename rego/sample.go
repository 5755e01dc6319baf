package rego

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
)

// DecodeInput reads an input document as Document, or Asked.Input, has it. Numbers
// stay as they are written, so that policy sees the same input as then.
func DecodeInput(text []byte) (Input, error) {
	var doc document
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&doc); err != nil {
		return Input{}, fmt.Errorf("rego: input document: %w", err)
	}
	in := Input{
		Plugin:             doc.Plugin,
		TrustDomain:        doc.TrustDomain,
		Time:               doc.Time,
		Evidence:           doc.Evidence,
		TemplatedAgentPath: doc.TemplatedAgentPath,
		Facts:              doc.Facts,
		FactsStatus:        doc.FactsStatus,
		Tofu:               doc.Tofu,
	}
	if doc.Peer != nil {
		ip, err := netip.ParseAddr(doc.Peer.IP)
		if err != nil {
			return Input{}, fmt.Errorf("rego: input document: peer.ip: %w", err)
		}
		in.PeerIP = ip
	}
	return in, nil
}

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

// try asks as an attestation does. The sample has every fact that there is, or a
// status in its place, so that a fact that it lacks doesn't exist.
func (e *Engine) try(ctx context.Context, in Input) error {
	early := in
	early.Facts, early.FactsStatus = nil, nil
	admission, err := e.Admit(ctx, early)
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(admission.Required, admission.Optional) {
		if in.Facts[name] == nil && in.FactsStatus[name] == "" {
			return e.failed("admission", fmt.Errorf("asks for fact %q, which %s does not have", name, e.plugin))
		}
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
