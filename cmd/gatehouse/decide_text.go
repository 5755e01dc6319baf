package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// write writes the decision for people.
func (d decision) write(p *page) {
	switch d.Outcome {
	case "attested":
		p.printf("%s\n", p.good("attested"))
	case "denied", "denied_for_now", "bad_evidence":
		p.printf("%s\n", p.bad(strings.ReplaceAll(d.Outcome, "_", " ")))
	default:
		p.printf("%s: nothing could be decided\n", p.warn(d.Outcome))
	}
	d.writeFields(p)
	if len(d.Rules) > 0 {
		d.writeRules(p)
	}
	if len(d.Trace) > 0 {
		p.printf("\n%s\n", p.bold("Trace"))
		for _, line := range d.Trace {
			p.printf("  %s\n", shown(line))
		}
	}
}

func (d decision) writeFields(p *page) {
	field := func(name, value string) {
		if value != "" {
			p.printf("  %-11s %s\n", name, shown(value))
		}
	}
	if len(d.Denials) == 0 {
		field("reason", d.Reason)
	}
	for _, denial := range d.Denials {
		field("reason", denial.Rule+": "+denial.Msg)
	}
	for _, warning := range d.Warnings {
		field("warning", warning.Rule+": "+warning.Msg)
	}
	for _, problem := range d.FactErrors {
		field("fact", problem)
	}
	field("exempt", strings.Join(d.Exempt, ", "))
	field("node", d.Node)
	field("agent ID", d.AgentID)
	for _, selector := range d.Selectors {
		field("selector", d.Plugin+":"+selector)
	}
	if d.CanReattest {
		field("reattest", "the agent may attest again, and must")
	}
	field("policy", d.PolicySource)
	field("revision", d.PolicyRevision)
	if r := d.Recorded; r != nil {
		field("recorded", fmt.Sprintf("%s, decision %s", r.Outcome, r.DecisionID))
		if len(r.Erased) > 0 {
			field("erased", strings.Join(r.Erased, ", ")+": the decision may have been another")
		}
	}
}

// titles has what the parts of an answer are called here, in order.
var titles = []struct{ of, title string }{
	{"admission_violation", "Checks of the evidence"},
	{"violation", "Checks of the facts"},
	{"exempt", "Exemptions"},
	{"warning", "Warnings"},
	{"required_fact", "Required facts"},
	{"optional_fact", "Optional facts"},
	{"agent_path", "Agent path"},
	{"can_reattest", "Re-attestation"},
	{"selector", "Selectors"},
}

func (d decision) writeRules(p *page) {
	for _, t := range titles {
		headed := false
		for _, rule := range d.Rules {
			if rule.Of != t.of {
				continue
			}
			if !headed {
				p.printf("\n%s\n", p.bold(t.title))
				headed = true
			}
			rule.write(p)
		}
	}
}

func (r explainedRule) write(p *page) {
	state := fmt.Sprintf("%-9s", r.state())
	switch r.state() {
	case "denied":
		state = p.bad(state)
	case "warned", "exempt", "off":
		state = p.warn(state)
	case "passed", "gave":
		state = p.good(state)
	default:
		state = p.faint(state)
	}
	p.printf("  %s ", state)
	for _, name := range []string{r.Rule, r.Title} {
		if name != "" {
			p.printf("%s  ", shown(name))
		}
	}
	p.printf("%s\n", p.faint(fmt.Sprintf("%s:%d", shown(r.File), r.Line)))
	if !r.Asked {
		return
	}
	for _, value := range r.Values {
		p.printf("              = %s\n", shown(valueText(value)))
	}
	for _, read := range r.Reads {
		p.printf("            %s\n", p.faint(shown(read.text())))
	}
}

// state is what a rule did, in a word or two.
func (r explainedRule) state() string {
	check := r.Of == "violation" || r.Of == "admission_violation"
	switch {
	case !r.Asked:
		return "not asked"
	case r.Effect != "":
		return r.Effect
	case check:
		return "passed"
	case r.Fired:
		return "gave"
	}
	return "nothing"
}

func (r readPart) text() string {
	switch {
	case r.Missing:
		return r.Ref + " is not there"
	case r.Bytes > 0:
		return fmt.Sprintf("%s is there, with %d bytes", r.Ref, r.Bytes)
	}
	return r.Ref + " is " + valueText(r.Value)
}

// valueText is a value on one line: of a violation, what it says.
func valueText(value any) string {
	if reason, ok := value.(map[string]any); ok && reason["msg"] != nil && reason["rule"] != nil {
		value = reason["msg"]
	}
	if text, ok := value.(string); ok && strings.TrimSpace(text) != "" {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	if all := []rune(string(text)); len(all) > maxShown {
		return string(all[:maxShown]) + "…"
	}
	return string(text)
}
