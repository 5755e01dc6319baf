package rego

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// A source is what a policy's files hold, parsed. Which file is what shows in
// its name, as for OPA:
//
//	*_test.rego            tests: checked like the rest, but never evaluated
//	*.rego                 modules
//	schemas/**/*.json      JSON Schemas, schema.<name> in METADATA
//	data.json, data.yaml   data, at the path of their directory
//
// Files whose name begins with a dot are left alone, and so are those of other
// kinds, a README say.
type source struct {
	modules map[string]*ast.Module // by file
	tests   map[string]*ast.Module // none if none is to run
	schemas *ast.SchemaSet
	data    map[string]any
	files   map[string][]byte // all of the above, for the revision
}

// readSource reads a policy, and all its tests if own chooses some: those may need
// what the others define. Its error joins all problems, each with its file.
func readSource(fsys fs.FS, own func(file string) bool, caps *ast.Capabilities) (*source, error) {
	files, err := readFiles(fsys)
	if err != nil {
		return nil, err
	}
	src := &source{
		modules: map[string]*ast.Module{},
		tests:   map[string]*ast.Module{},
		schemas: ast.NewSchemaSet(),
		data:    map[string]any{},
		files:   files,
	}
	testing := own != nil && slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(name string) bool { return isTest(name) && own(name) })
	var problems []error
	for _, name := range util.KeysSorted(files) {
		if isTest(name) && !testing {
			continue
		}
		if err := src.add(name, files[name], caps); err != nil {
			problems = append(problems, err)
		}
	}
	return src, errors.Join(problems...)
}

func (s *source) add(name string, content []byte, caps *ast.Capabilities) error {
	switch {
	case path.Ext(name) == ".rego":
		return s.addModule(name, content, caps)
	case strings.HasPrefix(name, "schemas/"):
		return s.addSchema(name, content)
	default:
		return s.addData(name, content)
	}
}

func (s *source) addModule(name string, content []byte, caps *ast.Capabilities) error {
	module, err := ast.ParseModuleWithOpts(name, string(content), ast.ParserOptions{
		RegoVersion:       ast.RegoV1,
		ProcessAnnotation: true,
		Capabilities:      caps,
	})
	switch {
	case err != nil:
		return flatten(err, names{})
	case !isTest(name):
		s.modules[name] = module
		return nil
	}
	s.tests[name] = module
	return misplaced(name, module)
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }

// checkReplaced checks the packages of Options.Replaces.
func (s *source) checkReplaced(opts Options) error {
	pkg := packageRef(opts.Plugin)
	var problems []error
	for _, name := range opts.Replaces {
		switch module := s.modules[name]; {
		case module == nil:
			problems = append(problems, fmt.Errorf("%s: replaces a file of package %s, and is no policy", name, dotted(pkg)))
		case !module.Package.Path.Equal(pkg):
			problems = append(problems, fmt.Errorf("%s:%d: replaces a file of package %s, and is of package %s",
				name, module.Package.Location.Row, dotted(pkg), dotted(module.Package.Path)))
		}
	}
	return errors.Join(problems...)
}

// misplaced refuses rules that someone believes to be in force although the file
// they are in is a test by its name.
func misplaced(name string, module *ast.Module) error {
	last := module.Package.Path[len(module.Package.Path)-1]
	if pkg, ok := last.Value.(ast.String); ok && strings.HasSuffix(string(pkg), "_test") {
		return nil
	}
	var problems []error
	for _, rule := range module.Rules {
		ruleName := rule.Head.Ref()[0].String()
		if !strings.HasPrefix(ruleName, "test_") && !strings.HasPrefix(ruleName, "todo_test_") {
			problems = append(problems, fmt.Errorf("%s:%d: rule %s is in a test file, which is never evaluated: "+
				"move it, or end the name of the package in _test", name, rule.Location.Row, ruleName))
		}
	}
	return errors.Join(problems...)
}

func (s *source) addSchema(name string, content []byte) error {
	var schema any
	if err := util.UnmarshalJSON(content, &schema); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	ref := ast.Ref{ast.SchemaRootDocument}
	for element := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(name, "schemas/"), ".json"), "/") {
		ref = append(ref, ast.StringTerm(element))
	}
	s.schemas.Put(ref, schema)
	return nil
}

func (s *source) addData(name string, content []byte) error {
	var value any
	var err error
	if path.Ext(name) == ".json" {
		err = util.UnmarshalJSON(content, &value)
	} else {
		err = util.Unmarshal(content, &value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: is no object at its top", name)
	}
	if dir := path.Dir(name); dir != "." {
		elements := strings.Split(dir, "/")
		for i := len(elements) - 1; i >= 0; i-- {
			object = map[string]any{elements[i]: object}
		}
	}
	if conflict := merge(s.data, object, "data"); conflict != "" {
		return fmt.Errorf("%s: %s is there already, from another file", name, conflict)
	}
	return nil
}

// merge adds from to into, and returns the path of what is in both and no object
// in both. An object of from must not be used afterwards.
func merge(into, from map[string]any, at string) (conflict string) {
	for _, key := range util.KeysSorted(from) {
		here, exists := into[key]
		if !exists {
			into[key] = from[key]
			continue
		}
		old, isObject := here.(map[string]any)
		added, addsObject := from[key].(map[string]any)
		if !isObject || !addsObject {
			return at + "." + key
		}
		if conflict := merge(old, added, at+"."+key); conflict != "" {
			return conflict
		}
	}
	return ""
}

// readFiles reads the files that count, within bounds.
func readFiles(fsys fs.FS) (map[string][]byte, error) {
	files := map[string][]byte{}
	total, entries := 0, 0
	var problems []error
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		entries++
		switch {
		case err != nil:
			return err
		case entries > MaxPolicyEntries:
			return fmt.Errorf("policy's directory has more than %d entries", MaxPolicyEntries)
		case strings.Count(name, "/") > maxDepth:
			return fmt.Errorf("%s: is more than %d folders deep; a symbolic link may lead to a folder above it", name, maxDepth)
		case name != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			if err := linksToFile(fsys, name); err != nil {
				problems = append(problems, err)
				return nil
			}
		}
		counts, err := kind(name)
		if err != nil {
			problems = append(problems, err)
		}
		if !counts {
			return nil
		}
		if entry.Type()&^fs.ModeSymlink != 0 {
			return fmt.Errorf("%s: is no regular file", name)
		}
		content, err := readFile(fsys, name)
		if err != nil {
			return err
		}
		files[name] = content
		total += len(content)
		switch {
		case len(files) > MaxPolicyFiles:
			return fmt.Errorf("policy has more than %d files", MaxPolicyFiles)
		case total > MaxPolicyBytes:
			return fmt.Errorf("policy's files have more than %d bytes", MaxPolicyBytes)
		}
		return nil
	})
	if err != nil {
		problems = append(problems, err)
	}
	return files, errors.Join(problems...)
}

// kind reports whether a file is one of those in source's comment. A file that
// looks like data and would not be read is an error: a list of accounts must not
// be missing unnoticed.
func kind(name string) (counts bool, err error) {
	base, ext := path.Base(name), path.Ext(name)
	switch {
	case ext == ".rego":
		return true, nil
	case strings.HasPrefix(name, "schemas/"):
		return ext == ".json", nil
	case base == "data.json", base == "data.yaml", base == "data.yml":
		return true, nil
	case ext == ".json", ext == ".yaml", ext == ".yml":
		return false, fmt.Errorf("%s: would not be read: data is in files named data.json or data.yaml, schemas in schemas/", name)
	default:
		return false, nil
	}
}

// linksToFile lets symbolic links to files pass, which is how Kubernetes mounts
// a ConfigMap.
func linksToFile(fsys fs.FS, name string) error {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return fmt.Errorf("%s: is a symbolic link to a directory, which is not followed", name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: is no regular file", name)
	}
	return nil
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var content bytes.Buffer
	if _, err := io.Copy(&content, io.LimitReader(file, MaxPolicyFileBytes+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if content.Len() > MaxPolicyFileBytes {
		return nil, fmt.Errorf("%s: is larger than %d bytes", name, MaxPolicyFileBytes)
	}
	return content.Bytes(), nil
}
