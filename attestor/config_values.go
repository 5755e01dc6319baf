package attestor

import (
	"fmt"
	"regexp"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// What the plugins' configurations have in common.

const defaultCloudTimeout = 20 * time.Second

// ruleNamePattern is what policies call their rules.
var ruleNamePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// textOr returns a text, or what is there instead of a missing or empty one.
func textOr(o *plugindata.Object, key, otherwise string) string {
	if text, _ := o.String(key); text != "" {
		return text
	}
	return otherwise
}

// lacks says whether a text is missing or empty, which a value of a wrong type,
// reported already, is not.
func lacks(o *plugindata.Object, key string) bool {
	text, ok := o.String(key)
	return !o.Has(key) || ok && text == ""
}

// names reads a list of names, each of which must be right. One that is there
// twice counts once, as it does for SPIRE's built-in plugins.
func names(o *plugindata.Object, key string, right func(string) bool, wanted string) []string {
	all, _ := o.Strings(key)
	seen := make(map[string]bool, len(all)) // there may be as many as a megabyte holds
	var once []string
	for i, name := range all {
		if !right(name) {
			o.ElementProblem(key, i, "%s", wanted)
		}
		if !seen[name] {
			seen[name] = true
			once = append(once, name)
		}
	}
	if all != nil && once == nil {
		once = []string{} // there, and empty
	}
	return once
}

// enforcement reads how rules are enforced. Operators add rules of their own, so
// that any name may be there.
func enforcement(o *plugindata.Object) map[string]string {
	block, ok := o.Object("enforcement")
	if !ok {
		return nil
	}
	modes := map[string]string{}
	for _, rule := range block.Keys() {
		mode, ok := block.String(rule)
		switch {
		case !ruleNamePattern.MatchString(rule):
			block.Problem(rule, "is no rule's name: small letters, digits and _, up to 64, the first a letter")
		case ok && mode != "deny" && mode != "warn" && mode != "off":
			block.Problem(rule, `must be "deny", "warn" or "off"`)
		}
		modes[rule] = mode
	}
	return modes
}

// cloudTimeout reads how long the cloud calls of one attestation may take.
func cloudTimeout(o *plugindata.Object) time.Duration {
	return durationBetween(o, "cloud_timeout", minCloudTimeout, maxCloudTimeout, defaultCloudTimeout)
}

// durationBetween reads a duration, or returns what is there instead of a missing
// or bad one.
func durationBetween(o *plugindata.Object, key string, least, most, otherwise time.Duration) time.Duration {
	d, ok := o.Duration(key)
	if !ok {
		return otherwise
	}
	if d < least || d > most {
		o.Problem(key, "must be between %v and %v", least, most)
	}
	return d
}

// pathTemplate parses an agent_path_template, and tries it with an imaginary node;
// nil when there is none.
func pathTemplate(text, plugin, identity string, sample map[string]string) (*agentpath.Template, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxAgentPathTemplate {
		return nil, fmt.Errorf("must not be longer than %d bytes", maxAgentPathTemplate)
	}
	return agentpath.Parse(text, plugin, identity, sample)
}

// list is a JSON array, an empty one of no texts.
func list(texts []string) []any {
	array := make([]any, 0, len(texts))
	for _, text := range texts {
		array = append(array, text)
	}
	return array
}

// object is a JSON object.
func object(texts map[string]string) map[string]any {
	members := make(map[string]any, len(texts))
	for key, text := range texts {
		members[key] = text
	}
	return members
}
