package main

import (
	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// decision is the answer of decide, in JSON.
type decision struct {
	Outcome        string `json:"outcome"` // "attested", or why not, as in the server's log
	Reason         string `json:"reason,omitempty"`
	Plugin         string `json:"plugin"`
	Node           string `json:"node,omitempty"`
	AgentID        string `json:"agent_id,omitempty"`
	PolicySource   string `json:"policy_source"`
	PolicyRevision string `json:"policy_revision"`

	Selectors   []string         `json:"selectors,omitempty"` // without the plugin's name
	CanReattest bool             `json:"can_reattest"`
	Denials     []rego.Violation `json:"denials,omitempty"`
	Warnings    []rego.Violation `json:"warnings,omitempty"`
	Exempt      []string         `json:"exempt,omitempty"`
	FactErrors  []string         `json:"fact_errors,omitempty"`

	Recorded *recordedDecision `json:"recorded,omitempty"`
	Rules    []explainedRule   `json:"rules,omitempty"`
	Input    any               `json:"input,omitempty"` // that the rules were asked about
	Trace    []string          `json:"trace,omitempty"`
}

// recordedDecision is what the log says.
type recordedDecision struct {
	DecisionID string   `json:"decision_id"`
	Outcome    string   `json:"outcome,omitempty"`
	Erased     []string `json:"erased,omitempty"` // from the input: the decision may have been another
}

// explainedRule is what one rule did.
type explainedRule struct {
	Of     string     `json:"of"` // what it adds to: "violation", "selector"
	Rule   string     `json:"rule,omitempty"`
	Title  string     `json:"title,omitempty"`
	File   string     `json:"file"`
	Line   int        `json:"line"`
	Asked  bool       `json:"asked"`
	Fired  bool       `json:"fired"`
	Effect string     `json:"effect,omitempty"` // of a check: "denied", "warned", "off", "exempt"
	Values []any      `json:"values,omitempty"`
	Reads  []readPart `json:"reads,omitempty"`
}

// readPart is a part of input or data that a rule reads.
type readPart struct {
	Ref     string `json:"ref"`
	Value   any    `json:"value,omitempty"`
	Missing bool   `json:"missing,omitempty"`
	Bytes   int    `json:"bytes,omitempty"` // the length of a value that is too long
}

func newDecision(config *attestor.Configuration, v attestor.Verdict, r *recorded) decision {
	d := decision{
		Outcome:        v.Outcome,
		Reason:         v.Reason,
		Plugin:         config.Plugin(),
		Node:           v.Node,
		AgentID:        v.AgentID,
		PolicySource:   config.PolicySource(),
		PolicyRevision: config.PolicyRevision(),
		Selectors:      v.Selectors,
		CanReattest:    v.CanReattest,
		Denials:        v.Denials,
		Warnings:       v.Warnings,
		Exempt:         v.Exempt,
		FactErrors:     v.FactErrors,
	}
	if r != nil && r.decisionID != "" {
		d.Recorded = &recordedDecision{r.decisionID, r.outcome, r.erased}
	}
	if v.Input != nil {
		d.Input = v.Input.Document()
	}
	if v.Explanation == nil {
		return d
	}
	d.Trace = v.Explanation.Trace
	for _, part := range v.Explanation.Parts {
		rule := explainedRule{
			Of:     part.Of,
			Rule:   part.Name,
			Title:  part.Title,
			File:   config.PolicyFile(part.File),
			Line:   part.Line,
			Asked:  part.Asked,
			Fired:  part.Fired(),
			Effect: string(part.Effect),
			Values: part.Values,
		}
		for _, read := range part.Reads {
			rule.Reads = append(rule.Reads, readPart(read))
		}
		d.Rules = append(d.Rules, rule)
	}
	return d
}
