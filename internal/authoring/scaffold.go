package authoring

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

//go:embed templates/*.tmpl
var templateFiles embed.FS

var templates = template.Must(template.New("").ParseFS(templateFiles, "templates/*.tmpl"))

// A Scaffold is a rule to fill in, with its test.
type Scaffold struct {
	Plugin string
	Name   string // of the rule

	// Admission has it decide from signed evidence alone, before the cloud is asked.
	Admission bool
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// maxName is the longest name of a rule that the engine takes.
const maxName = 64

// Check writes a check and its test below dir, and returns their paths. They pass
// as they are. A file that is there is never written over.
func (s Scaffold) Check(dir string) ([]string, error) { return s.write(dir, "check") }

// Selector does the same for a rule that adds selectors.
func (s Scaffold) Selector(dir string) ([]string, error) { return s.write(dir, "selector") }

func (s Scaffold) write(dir, kind string) ([]string, error) {
	if !namePattern.MatchString(s.Name) || len(s.Name) > maxName || strings.HasSuffix(s.Name, "_test") {
		return nil, fmt.Errorf("%q is no name for a rule: at most %d lower-case letters, digits and underscores, not ending in _test", s.Name, maxName)
	}
	var paths []string
	files := map[string][]byte{}
	for _, suffix := range []string{"", "_test"} {
		var text bytes.Buffer
		if err := templates.ExecuteTemplate(&text, kind+suffix+".rego.tmpl", s.fields()); err != nil {
			return nil, err
		}
		name := fmt.Sprintf("gatehouse/%s/%s%s.rego", s.Plugin, s.Name, suffix)
		path := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("%s is there already", path)
		}
		paths, files[name] = append(paths, path), text.Bytes()
	}
	// Tests of one name would share a package.
	same, err := filepath.Glob(filepath.Join(dir, "gatehouse", "*", s.Name+"_test.rego"))
	if err != nil || len(same) > 0 {
		return nil, errors.Join(err, fmt.Errorf("%s would share its package with the new test: choose another name", strings.Join(same, ", ")))
	}
	for name, text := range files {
		err = errors.Join(err, write(dir, name, text))
	}
	return paths, err
}

// scaffoldFields is what the templates are filled with.
type scaffoldFields struct {
	Scaffold
	Set   string // to which the check adds
	Input string // the good document of the baseline's tests

	// Field is an example of what a check may look at, a string; Pointer is where
	// it is in the document, and Fact the fact in which it is.
	Field, Pointer, Fact string

	Subject string // what messages call the machine
}

func (s Scaffold) fields() scaffoldFields {
	fields := scaffoldFields{Scaffold: s, Set: "violation", Input: "decision_input"}
	pointer := map[string]string{"aws_iid": "facts/instance/image_id", "azure_msi": "facts/virtual_machine/location"}
	if s.Admission {
		fields.Set, fields.Input = "admission_violation", "admission_input"
		pointer = map[string]string{"aws_iid": "evidence/image_id", "azure_msi": "evidence/key_id"}
	}
	fields.Pointer = pointer[s.Plugin]
	fields.Field = "input." + strings.ReplaceAll(fields.Pointer, "/", ".")
	if !s.Admission {
		fields.Fact = strings.Split(fields.Pointer, "/")[1]
	}
	fields.Subject = map[string]string{
		"aws_iid":   "instance {input.evidence.instance_id}",
		"azure_msi": "principal {input.evidence.principal_id}",
	}[s.Plugin]
	return fields
}
