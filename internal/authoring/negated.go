package authoring

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// A Remark is about a line that is allowed, and may not mean what it says.
type Remark struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"message"`
}

// NegatedCalls finds calls in a directory's rules that are negated and have an
// argument that may be missing, "not startswith(input.x, y)" say. OPA looks the
// argument up before it negates: where it is missing the whole is undefined, and a
// rule that should refuse the machine lets it in.
func NegatedCalls(files *policies.Overlay) ([]Remark, error) {
	var remarks []Remark
	err := fs.WalkDir(files, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".rego" || strings.HasSuffix(name, "_test.rego") || !files.Own(name) {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		module, err := ast.ParseModuleWithOpts(name, string(text), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil // who loads the policy says so
		}
		for _, expr := range negatedCalls(module) {
			remarks = append(remarks, Remark{name, expr.Location.Row, fmt.Sprintf(
				"%s is undefined, not true, where its argument is missing: put the good case into a rule of its own, and negate that", expr.Location.Text)})
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it vanishes: who loads it says so
	}
	return remarks, err
}

func negatedCalls(module *ast.Module) (found []*ast.Expr) {
	documents := map[ast.Var]bool{"input": true, "data": true}
	for _, imported := range module.Imports {
		documents[imported.Name()] = true
	}
	ast.WalkExprs(module, func(expr *ast.Expr) bool {
		if !expr.Negated || !expr.IsCall() || expr.IsEquality() || expr.Operator().String() == ast.Equal.Name {
			return false
		}
		mayMiss := false
		for _, operand := range expr.Operands() {
			ast.WalkRefs(operand, func(ref ast.Ref) bool {
				head, ok := ref[0].Value.(ast.Var)
				mayMiss = mayMiss || ok && documents[head]
				return false
			})
		}
		if mayMiss {
			found = append(found, expr)
		}
		return false
	})
	return found
}
