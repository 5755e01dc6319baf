package attestor

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestLimitsAreDocumented: docs/limits.md has every constant of every limits.go,
// with its value.
func TestLimitsAreDocumented(t *testing.T) {
	files, err := filepath.Glob("../*/limits.go")
	more, err2 := filepath.Glob("../*/*/limits.go")
	if files = append(files, more...); err != nil || err2 != nil || len(files) < 4 {
		t.Fatal(files, err, err2)
	}
	for _, file := range files {
		dir, _ := filepath.Rel("..", filepath.Dir(file))
		documented := map[string]string{}
		for _, row := range tablesOf(t, "limits.md", "## "+filepath.ToSlash(dir)) {
			documented[strings.Trim(row[0], " `")] = strings.TrimSpace(row[1])
		}
		limits := constantsOf(t, file)
		for name, value := range limits {
			if documented[name] != value {
				t.Errorf("docs/limits.md, %s: %q is documented; want a row | `%s` | %s | … |", dir, documented[name], name, value)
			}
		}
		for name := range documented {
			if _, ok := limits[name]; !ok {
				t.Errorf("docs/limits.md, %s: there is no %s in %s", dir, name, file)
			}
		}
	}
}

// outside is a bound that is declared where nobody looks for it.
var outside = regexp.MustCompile(`(?m)^(?:const |\t)(max[A-Z]\w*|Max[A-Z]\w*)(?: [a-z0-9]+)? += [^=]`)

// TestLimitsAreInOnePlace: no bound is declared but in a package's limits.go.
func TestLimitsAreInOnePlace(t *testing.T) {
	for _, root := range []string{".", "../evidence", "../rego", "../tofu", "../cmd/gatehouse"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || entry.Name() == "limits.go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, name := range outside.FindAllSubmatch(text, -1) {
				if string(name[1]) != "maxSeconds" { // what a format can say
					t.Errorf("%s: %s belongs in a limits.go", path, name[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// constantsOf evaluates the constants of one file, which may use package time.
func constantsOf(t *testing.T, file string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(files, "source", nil), Error: func(error) {}}
	pkg, _ := config.Check(parsed.Name.Name, files, []*ast.File{parsed}, nil)
	values := map[string]string{}
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if !ok {
			continue
		}
		n, exact := constant.Int64Val(constant.ToInt(c.Val()))
		if !exact {
			t.Fatalf("%s: %s is no whole number", file, name)
		}
		values[name] = fmt.Sprint(n)
		if c.Type().String() == "time.Duration" {
			values[name] = time.Duration(n).String()
		}
	}
	return values
}
