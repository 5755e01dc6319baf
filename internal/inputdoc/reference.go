package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const head = `<!-- Written by go generate ./policies from policies/schemas; a test fails where it isn't. -->
# What policies see

Every field of ` + "`input` and `data.gatehouse.config`" + `. A policy that reads another is refused when it is loaded. ` + "`gatehouse policy inputs`" + ` prints whole
documents, from which the examples are.

In a path, ` + "`[_]` stands for each element of an array, and `[key]`" + ` for any key of an object. Where *missing* is empty, a field is there whenever what
holds it is. What is missing makes an expression undefined, not false: [say so in a test](authors_guide.md).
`

// sections are the parts of the reference, in their order: a schema each, and the
// path at which it is.
var sections = []struct{ title, schema, path, samples string }{
	{"aws_iid: input", "aws_iid", "input", "aws_iid"},
	{"aws_iid: configuration", "aws_iid_config", "data.gatehouse.config", "aws_iid_config"},
	{"azure_msi: input", "azure_msi", "input", "azure_msi"},
	{"azure_msi: configuration", "azure_msi_config", "data.gatehouse.config", "azure_msi_config"},
	{"azure_msi: tenants in policy data", "azure_msi_tenants", "data.gatehouse.azure_msi.tenants", ""},
}

func reference() (string, error) {
	var w writer
	w.printf("%s", head)
	for _, section := range sections {
		s, err := readSchema(section.schema)
		if err != nil {
			return "", err
		}
		if w.examples, err = readExamples(section.samples); err != nil {
			return "", err
		}
		w.printf("\n## %s\n\n%s\n", section.title, s.Description)
		w.table(section.path, s)
	}
	return w.String(), w.err
}

// writer writes the reference.
type writer struct {
	strings.Builder
	examples []any // documents to take examples from, the first first
	err      error
}

func (w *writer) printf(format string, args ...any) { fmt.Fprintf(w, format, args...) }

// table describes what is below a path.
func (w *writer) table(path string, s schema) {
	w.printf("\n| field | type | meaning | missing | example |\n|---|---|---|---|---|\n")
	w.rows(path, s, "", w.examples)
}

// rows writes a row for each field of s, and for what is below it. leavesOut is who
// leaves out fields that are missing, as what holds them says.
func (w *writer) rows(path string, s schema, leavesOut string, examples []any) {
	if by := leaver.FindStringSubmatch(s.Description); by != nil {
		leavesOut = by[1]
	}
	for _, p := range s.Properties {
		missing := ""
		meaning, says := split(p.Description)
		switch {
		case slices.Contains(s.Required, p.Name), strings.Contains(p.Description, "Empty if there are none."):
			meaning = p.Description
		case says != "":
			missing = says
		case leavesOut != "":
			missing = "where " + leavesOut + " leaves it out"
		default:
			w.err = cmp.Or(w.err, fmt.Errorf("%s.%s may be missing, and the schema does not say when", path, p.Name))
		}
		w.row(path+"."+p.Name, p.schema, meaning, missing, leavesOut, below(examples, p.Name))
	}
	if s.Values.schema != nil {
		w.row(path+"[key]", *s.Values.schema, s.Values.Description, "", leavesOut, elements(examples))
	}
	if s.Items != nil {
		w.row(path+"[_]", *s.Items, s.Items.Description, "", leavesOut, elements(examples))
	}
}

func (w *writer) row(path string, s schema, meaning, missing, leavesOut string, examples []any) {
	w.printf("| `%s` | %s | %s | %s | %s |\n", path, s.kind(), cell(meaning), cell(missing), example(examples))
	w.rows(path, s, leavesOut, examples)
}

// kind is what a value may be.
func (s schema) kind() string {
	switch {
	case len(s.Enum) > 0:
		quoted := make([]string, len(s.Enum))
		for i, value := range s.Enum {
			quoted[i] = "`\"" + value + "\"`"
		}
		return strings.Join(quoted, " or ")
	case s.Format == "date-time":
		return "time, RFC 3339"
	}
	return s.Type
}

var (
	leaver = regexp.MustCompile(`A field that (.+?) leaves out is missing\.`)
	// whenever is what is left of "Missing when …" in a column that says "missing".
	whenever = regexp.MustCompile(`^(?:if|when|where|while|for|in|without) `)
	missing  = regexp.MustCompile(`(?:^|[.;] )((?:Missing|missing|Undefined|May be undefined)\b.*?\.(?: |$))`)
)

// split parts what a description says about being missing from the rest.
func split(description string) (meaning, says string) {
	at := missing.FindStringSubmatchIndex(description)
	if at == nil {
		return description, ""
	}
	says = strings.TrimSuffix(strings.TrimSpace(description[at[2]:at[3]]), ".")
	meaning = strings.TrimRight(description[:at[2]], " ;")
	if meaning != "" && !strings.HasSuffix(meaning, ".") {
		meaning += "."
	}
	if rest := strings.TrimSpace(description[at[3]:]); rest != "" {
		meaning += " " + rest
	}
	if short := strings.TrimPrefix(strings.TrimPrefix(says, "Missing "), "missing "); whenever.MatchString(short) {
		says = short
	}
	return meaning, says
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// maxExample keeps rows readable.
const maxExample = 60

// example is the first simple value.
func example(examples []any) string {
	for _, value := range examples {
		switch value.(type) {
		case string, bool, json.Number, float64:
			text, err := json.Marshal(value)
			switch {
			case err != nil || string(text) == `""`:
			case len(text) > maxExample:
				return "`" + string(text[:maxExample]) + "…`"
			default:
				return "`" + string(text) + "`"
			}
		}
	}
	return ""
}
