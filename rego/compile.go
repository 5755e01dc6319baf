package rego

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// configRef is where a plugin's configuration is.
var configRef = ast.MustParseRef("data.gatehouse.config")

// compile compiles the modules, without the tests.
func compile(ctx context.Context, src *source, store storage.Store, caps *ast.Capabilities) (*ast.Compiler, error) {
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)

	compiler := newCompiler(ctx, src.schemas, store, txn, caps)
	if compiler.Compile(src.modules); compiler.Failed() {
		return nil, flatten(compiler.Errors, namesOf(src.modules, caps))
	}
	return compiler, nil
}

// newCompiler makes a compiler that is strict and knows the schemas, for modules
// that are with the store's data.
func newCompiler(ctx context.Context, schemas *ast.SchemaSet, store storage.Store, txn storage.Transaction, caps *ast.Capabilities) *ast.Compiler {
	return ast.NewCompiler().
		SetErrorLimit(0).
		WithStrict(true).
		WithDefaultRegoVersion(ast.RegoV1).
		WithCapabilities(caps).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true).
		WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn))
}

// checkPackage checks what a plugin's package must have: both entrypoints, the
// schemas that make a misspelt field an error, the configuration to itself, and each
// file its own helpers; and that no check is where nobody asks for it.
func checkPackage(plugin string, compiler *ast.Compiler, parsed map[string]*ast.Module) error {
	var problems []error
	for _, rule := range compiler.GetRules(configRef) {
		problems = append(problems, fmt.Errorf("%s: %s is the plugin's configuration; no rule may define it", rule.Location, configRef))
	}
	pkg := packageRef(plugin)
	for _, name := range []string{admission, decision} {
		if len(compiler.GetRules(pkg.Append(ast.StringTerm(name)))) == 0 {
			problems = append(problems, fmt.Errorf("package %s has no rule %s", dotted(pkg), name))
		}
	}
	for path, schema := range map[string]string{
		"input":            "schema." + plugin,
		configRef.String(): "schema." + plugin + "_config",
	} {
		if !hasSchema(compiler.GetAnnotationSet(), pkg, path, schema) {
			problems = append(problems, fmt.Errorf("the METADATA of package %s does not say that %s has the schema %s: "+
				"a misspelt field would go unnoticed", dotted(pkg), path, schema))
		}
	}
	problems = append(problems, checkRead(pkg, compiler.Modules)...)
	problems = append(problems, checkPrivate(pkg, compiler.Modules)...)
	problems = append(problems, checkElsewhere(pkg, parsed, compiler.Modules)...)
	return errors.Join(problems...)
}

func hasSchema(annotations *ast.AnnotationSet, pkg ast.Ref, path, schema string) bool {
	scoped := annotations.GetSubpackagesScope(pkg)
	if a := annotations.GetPackageScope(&ast.Package{Path: pkg}); a != nil {
		scoped = append(scoped, a)
	}
	for _, annotation := range scoped {
		for _, s := range annotation.Schemas {
			if s.Path.String() == path && s.Schema.String() == schema {
				return true
			}
		}
	}
	return false
}

func packageRef(plugin string) ast.Ref {
	return ast.Ref{ast.DefaultRootDocument, ast.StringTerm("gatehouse"), ast.StringTerm(plugin)}
}

// dotted writes a package as authors do, without "data.".
func dotted(pkg ast.Ref) string { return strings.TrimPrefix(pkg.String(), "data.") }

// flatten turns OPA's list of errors into a joined error, one for each, and says
// of a removed built-in why it is, of another unknown name which is near.
func flatten(err error, known names) error {
	list, ok := errors.AsType[ast.Errors](err)
	if !ok {
		return err
	}
	gone := removed()
	problems := make([]error, 0, len(list))
	for _, e := range list {
		problem := error(known.explain(e))
		if name, found := strings.CutPrefix(e.Message, "undefined function "); found && gone[name] != "" {
			problem = fmt.Errorf("%w: policies can't have this built-in, for %s", e, gone[name])
		}
		problems = append(problems, problem)
	}
	return errors.Join(problems...)
}
