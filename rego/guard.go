package rego

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// A guard knows where agent paths must be.
type guard struct {
	plugin      string
	trustDomain string
}

// agentPath checks that the agent ID is one that SPIRE takes and stores: a valid
// path below /spire/agent/<plugin>/. On error it returns no path.
func (g guard) agentPath(value ast.Value) (string, error) {
	if value == nil {
		return "", errors.New("agent_path is missing")
	}
	text, ok := value.(ast.String)
	if !ok {
		return "", fmt.Errorf("agent_path is %s, not a string", typeName(value))
	}
	path, namespace := string(text), "/spire/agent/"+g.plugin+"/"
	id := "spiffe://" + g.trustDomain + path
	switch err := spiffeid.ValidatePath(path); {
	case len(id) > maxAgentIDBytes:
		return "", fmt.Errorf("agent ID %s has %d bytes, more than %d", excerpt(id), len(id), maxAgentIDBytes)
	case err != nil:
		return "", fmt.Errorf("agent_path %s is no SPIFFE path: %w", excerpt(path), err)
	case !strings.HasPrefix(path, namespace):
		return "", fmt.Errorf("agent_path %s is not below %s", excerpt(path), namespace)
	}
	return path, nil
}

// decodeSelectors checks that each selector is one that SPIRE's datastore takes.
func decodeSelectors(set ast.Set) ([]string, error) {
	if set.Len() > maxSelectors {
		return nil, fmt.Errorf("there are %d, more than %d", set.Len(), maxSelectors)
	}
	selectors := make([]string, 0, set.Len())
	for _, term := range set.Slice() {
		text, ok := term.Value.(ast.String)
		if !ok {
			return nil, fmt.Errorf("%s is %s, not a string", excerpt(term.String()), typeName(term.Value))
		}
		if err := checkText(string(text), maxSelectorBytes); err != nil {
			return nil, err
		}
		selectors = append(selectors, string(text))
	}
	slices.Sort(selectors)
	return selectors, nil
}

// fields decodes one field after the other, and keeps the first error.
type fields struct{ err error }

func (f *fields) fail(name string, err error) {
	switch {
	case f.err != nil:
	case name == "":
		f.err = err
	default:
		f.err = within(name, err)
	}
}

func (f *fields) boolean(name string, value ast.Value) bool {
	b, ok := value.(ast.Boolean)
	if !ok {
		f.fail(name, fmt.Errorf("is %s, not a boolean", typeName(value)))
	}
	return bool(b)
}

// set returns an empty set in case of an error.
func (f *fields) set(name string, value ast.Value) ast.Set {
	set, ok := value.(ast.Set)
	if !ok {
		f.fail(name, fmt.Errorf("is %s, not a set", typeName(value)))
		return ast.NewSet()
	}
	return set
}

func checkName(name string) error {
	if len(name) > maxNameBytes || !isName(name) {
		return fmt.Errorf("%s is no name of up to %d letters, digits, underscores, dots and hyphens", excerpt(name), maxNameBytes)
	}
	return nil
}

func isName(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return text != ""
}

func (f *fields) names(field string, value ast.Value) []string {
	set := f.set(field, value)
	if set.Len() > maxNames {
		f.fail(field, fmt.Errorf("there are %d, more than %d", set.Len(), maxNames))
		return nil
	}
	var names []string
	for _, term := range set.Slice() {
		name, ok := term.Value.(ast.String)
		if !ok {
			f.fail(field, fmt.Errorf("%s is %s, not a string", excerpt(term.String()), typeName(term.Value)))
			return nil
		}
		if err := checkName(string(name)); err != nil {
			f.fail(field, err)
			return nil
		}
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names
}

func (f *fields) reasons(field string, value ast.Value) []Violation {
	set := f.set(field, value)
	if set.Len() > maxReasons {
		f.fail(field, fmt.Errorf("there are %d, more than %d", set.Len(), maxReasons))
		return nil
	}
	var reasons []Violation
	for _, term := range set.Slice() {
		reason, err := decodeReason(term.Value)
		if err != nil {
			f.fail(field, fmt.Errorf("%s: %w", excerpt(term.String()), err))
			return nil
		}
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, compareViolations)
	return reasons
}

func decodeReason(value ast.Value) (Violation, error) {
	reason, err := object(value, []string{"rule", "msg"}, "transient")
	if err != nil {
		return Violation{}, err
	}
	rule, ok := reason.get("rule").(ast.String)
	if !ok {
		return Violation{}, fmt.Errorf("rule is %s, not a string", typeName(reason.get("rule")))
	}
	msg, ok := reason.get("msg").(ast.String)
	if !ok {
		return Violation{}, fmt.Errorf("msg is %s, not a string", typeName(reason.get("msg")))
	}
	if err := checkName(string(rule)); err != nil {
		return Violation{}, within("rule", err)
	}
	if err := checkText(string(msg), maxMessageBytes); err != nil {
		return Violation{}, within("msg", err)
	}
	transient := false
	if flag := reason.get("transient"); flag != nil {
		boolean, ok := flag.(ast.Boolean)
		if !ok {
			return Violation{}, fmt.Errorf("transient is %s, not a boolean", typeName(flag))
		}
		transient = bool(boolean)
	}
	return Violation{Rule: string(rule), Msg: string(msg), Transient: transient}, nil
}

// members are those of an object, by name.
type members struct {
	names  []string
	values []ast.Value // nil where there is none
}

func (m members) get(name string) ast.Value { return m.values[slices.Index(m.names, name)] }

// object returns the members of an object that has all required ones, maybe the
// optional ones, and no others.
func object(value ast.Value, required []string, optional ...string) (members, error) {
	obj, ok := value.(ast.Object)
	if !ok {
		return members{}, fmt.Errorf("is %s, not an object", typeName(value))
	}
	found := members{names: slices.Concat(required, optional)}
	found.values = make([]ast.Value, len(found.names))
	err := obj.Iter(func(key, value *ast.Term) error {
		name, _ := key.Value.(ast.String)
		at := slices.Index(found.names, string(name))
		if at < 0 {
			return fmt.Errorf("has the unknown key %s", excerpt(key.String()))
		}
		found.values[at] = value.Value
		return nil
	})
	if err != nil {
		return members{}, err
	}
	for i, name := range required {
		if found.values[i] == nil {
			return members{}, fmt.Errorf("lacks the key %q", name)
		}
	}
	return found, nil
}

// checkText checks text that goes to a log or a datastore.
func checkText(text string, limit int) error {
	switch {
	case text == "":
		return fmt.Errorf("%s is empty", excerpt(text))
	case len(text) > limit:
		return fmt.Errorf("%s has %d bytes, more than %d", excerpt(text), len(text), limit)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s is not valid UTF-8", excerpt(text))
	case strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s has a control character", excerpt(text))
	}
	return nil
}

func within(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

// typeName names a value's type with its article.
func typeName(value ast.Value) string {
	switch value.(type) {
	case nil:
		return "missing"
	case ast.Object, *ast.Array:
		return "an " + ast.ValueName(value)
	case ast.Null:
		return "null"
	default:
		return "a " + ast.ValueName(value)
	}
}

// excerpt quotes the beginning of text that nobody has looked at yet.
func excerpt(text string) string {
	const limit = 80
	if len(text) > limit {
		return fmt.Sprintf("%.*q…", limit, text)
	}
	return fmt.Sprintf("%q", text)
}
