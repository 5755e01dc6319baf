// Package agentpath renders agent_path_template: an operator's text/template
// that says where a node's agent ID lies, as SPIRE's built-in attestors have it.
//
// A template sees what the authority signed and, for some attestors, tags that
// the node's owner chose. Trust on first use stands on the path: it must be the
// same each time for one machine, and another one for every other machine.
// Start at Parse.
package agentpath

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// Rule is the name by which nodes are refused of which a template makes no good path, as
// if the key were a rule of the policy's.
const Rule = "agent_path_template"

// Fields are the values of one node that a template sees, by field name. Tags
// has an entry for each tag; nil when they are not known yet.
type Fields struct {
	Values map[string]string
	Tags   map[string]string
}

// Template is a parsed agent_path_template. It is safe for concurrent use.
type Template struct {
	text     *template.Template
	respelt  []respelt // in the order in which they are tried
	plugin   string
	identity string
	needTags bool
}

// respelt is a template whose functions give another text for each slash that they
// make of a value without one, as the values themselves get it.
type respelt struct {
	slash string
	text  *template.Template
}

// tagName finds the tags that a template names, to give them a value in the
// rehearsal: .Tags.Name and index .Tags "Name".
var tagName = regexp.MustCompile(`\.Tags(?:\.(\w+)|\s+"([^"]+)")`)

// Parse parses a template of the named plugin and rehearses it with sample, the
// fields of an imaginary node. identity is the field that tells two machines
// apart. A template that gives that node no good path is refused, and so is one
// that names a field which no node has. Where a function fails instead, or a tag
// is missing, another node may fare better: that is left to Render.
func Parse(text, plugin, identity string, sample map[string]string) (*Template, error) {
	if _, ok := sample[identity]; !ok {
		return nil, fmt.Errorf("agentpath: no field %s in the sample", identity)
	}
	parsed, err := template.New(Rule).Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, err
	}
	t := &Template{text: parsed, plugin: plugin, identity: identity, needTags: NeedsTags(text)}
	// Without slashes, and with two of each for a template that needs some, to split at.
	for _, slash := range []string{"-", "//"} {
		clone, err := parsed.Clone()
		if err != nil {
			return nil, err
		}
		t.respelt = append(t.respelt, respelt{slash, clone.Funcs(respeltFunctions(slash))})
	}
	fields := Fields{Values: sample}
	if t.needTags {
		fields.Tags = map[string]string{}
		for _, name := range tagName.FindAllStringSubmatch(text, -1) {
			fields.Tags[name[1]+name[2]] = "tag"
		}
	}
	path, err := t.Render(fields)
	if err == nil {
		err = t.checkIdentity(path, fields)
	}
	if err != nil && !t.mayFareBetter(err) {
		return nil, fmt.Errorf("for a node with %v: %w", sample, err)
	}
	return t, nil
}

// TagsFact is the fact that has a node's tags.
const TagsFact = "instance"

// NeedsTags reports whether a template's text has tags in it, so that it can't be rendered
// without TagsFact.
func NeedsTags(text string) bool { return strings.Contains(text, ".Tags") }

// checkIdentity refuses a template that keeps a part of the machine's identity only,
// such as its last four digits: whoever starts enough machines has one of that path.
func (t *Template) checkIdentity(path string, fields Fields) error {
	identity := fields.Values[t.identity]
	for i, char := range identity {
		if !strings.ContainsRune("0123456789abcdef", char) {
			continue // the same in all identities
		}
		if others, err := t.executeAs(identity[:i]+flip(identity[i:i+1])+identity[i+1:], fields); err == nil && "/spire/agent"+others == path {
			return fmt.Errorf("agent path %q has not all of .%s in it: another machine could have the same", strings.TrimPrefix(path, "/spire/agent"), t.identity)
		}
	}
	return nil
}

// mayFareBetter says whether another node's values, its tags above all, could
// spare it the error that the rehearsal met.
func (t *Template) mayFareBetter(err error) bool {
	var failed template.ExecError
	if !errors.As(err, &failed) {
		return false
	}
	return t.needTags || !strings.Contains(failed.Error(), "map has no entry for key")
}

// NeedsTags says that the path can't be rendered before the node's tags are
// known.
func (t *Template) NeedsTags() bool { return t.needTags }

// Render returns a node's agent path, beginning with /spire/agent/. It refuses
// a path that would differ next time, or that does not change with the machine's
// identity, or that a value's own slashes, or those that decoding or encoding it made,
// have given more segments. That no two machines share a path it can't tell: what a
// template makes of the identity may be the same for two.
func (t *Template) Render(fields Fields) (string, error) {
	path, err := t.execute(t.text, fields)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(path, "/"+t.plugin+"/") {
		return "", fmt.Errorf("agent path %q does not begin with %q", path, "/"+t.plugin+"/")
	}

	again, err := t.execute(t.text, fields)
	if err != nil {
		return "", err
	}
	if again != path {
		return "", errors.New("the agent path is not the same each time it is rendered")
	}

	if others, err := t.executeAs(flip(fields.Values[t.identity]), fields); err == nil && others == path {
		return "", fmt.Errorf("agent path %q has no .%s in it: another machine could have the same", path, t.identity)
	}

	if !t.ownSlashes(path, fields) {
		return "", fmt.Errorf("agent path %q has segments that come from a slash in one of the node's values", path)
	}
	return "/spire/agent" + path, nil
}

// ownSlashes says whether all slashes of a path are the template's: whether it has as
// many if those of the values are spelt in another way. Where that can't be told, it
// isn't so.
func (t *Template) ownSlashes(path string, fields Fields) bool {
	for _, other := range t.respelt {
		spelt := Fields{Values: respell(fields.Values, other.slash), Tags: respell(fields.Tags, other.slash)}
		if plain, err := t.execute(other.text, spelt); err == nil {
			return strings.Count(plain, "/") == strings.Count(path, "/")
		}
	}
	return false
}

// executeAs renders the path of a node that has another identity.
func (t *Template) executeAs(identity string, fields Fields) (string, error) {
	other := Fields{Values: maps.Clone(fields.Values), Tags: fields.Tags}
	other.Values[t.identity] = identity
	return t.execute(t.text, other)
}

func (t *Template) execute(text *template.Template, fields Fields) (string, error) {
	data := make(map[string]any, len(fields.Values)+2)
	for name, value := range fields.Values {
		data[name] = value
	}
	data["PluginName"] = t.plugin
	data["Tags"] = fields.Tags
	var out strings.Builder
	if err := text.Execute(&out, data); err != nil {
		return "", err
	}
	return out.String(), nil
}

// flip gives another value of the same kind: the last character changes.
func flip(value string) string {
	if strings.HasSuffix(value, "0") {
		return value[:len(value)-1] + "1"
	}
	if value == "" {
		return "0"
	}
	return value[:len(value)-1] + "0"
}

func respell(values map[string]string, slash string) map[string]string {
	spelt := make(map[string]string, len(values))
	for name, value := range values {
		spelt[name] = strings.ReplaceAll(value, "/", slash)
	}
	return spelt
}

// functions are those that SPIRE offers in its path templates
// (doc/template_engine.md there): Sprig's, less those that look at the
// environment, the clock or the network.
func functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	offered := template.FuncMap{}
	for name := range strings.FieldsSeq(functionNames) {
		offered[name] = all[name]
	}
	return offered
}

// respeltFunctions are those functions that give slashes for a value that has none, made
// to give another text for each: so a slash that a later function takes away again does
// no harm.
func respeltFunctions(slash string) template.FuncMap {
	all, spelt := sprig.TxtFuncMap(), template.FuncMap{}
	for _, name := range []string{"b64enc", "b64dec", "b32dec"} {
		code := all[name].(func(string) string)
		spelt[name] = func(value string) string { return strings.ReplaceAll(code(value), "/", slash) }
	}
	parse := all["urlParse"].(func(string) map[string]any)
	spelt["urlParse"] = func(value string) map[string]any {
		parts := parse(value)
		for name, part := range parts {
			if text, ok := part.(string); ok {
				parts[name] = strings.ReplaceAll(text, "/", slash)
			}
		}
		return parts
	}
	return spelt
}

const functionNames = `
	abbrev abbrevboth trunc trim upper lower title untitle substr repeat trimAll
	trimSuffix trimPrefix nospace initials swapcase snakecase camelcase kebabcase
	wrap wrapWith contains hasPrefix hasSuffix quote squote cat indent nindent
	replace plural sha1sum sha256sum adler32sum toString seq splitList toStrings
	join sortAlpha default empty coalesce all any compact mustCompact ternary base
	dir clean ext isAbs b64enc b64dec b32enc b32dec tuple list dict get set unset
	hasKey pluck keys pick omit merge mergeOverwrite mustMerge mustMergeOverwrite
	values append push mustAppend mustPush prepend mustPrepend first mustFirst
	rest mustRest last mustLast initial mustInitial reverse mustReverse uniq
	mustUniq without mustWithout has mustHas slice mustSlice concat dig chunk
	mustChunk uuidv4 fail regexMatch mustRegexMatch regexFindAll mustRegexFindAll
	regexFind mustRegexFind regexReplaceAll mustRegexReplaceAll
	regexReplaceAllLiteral mustRegexReplaceAllLiteral regexSplit mustRegexSplit
	regexQuoteMeta urlParse urlJoin`
