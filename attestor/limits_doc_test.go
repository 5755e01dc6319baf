package attestor

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
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
// with its value and with tests of its package that try it on both sides.
func TestLimitsAreDocumented(t *testing.T) {
	files, err := filepath.Glob("../*/limits.go")
	more, err2 := filepath.Glob("../*/*/limits.go")
	if files = append(files, more...); err != nil || err2 != nil || len(files) < 4 {
		t.Fatal(files, err, err2)
	}
	for _, file := range files {
		dir, _ := filepath.Rel("..", filepath.Dir(file))
		documented, tests := map[string]string{}, testsOf(t, filepath.Dir(file))
		for _, row := range tablesOf(t, "limits.md", "## "+filepath.ToSlash(dir)) {
			name := strings.Trim(row[0], " `")
			documented[name] = strings.TrimSpace(row[1])
			named := namedTest.FindAllStringSubmatch(row[len(row)-1], -1)
			if len(named) == 0 {
				t.Errorf("docs/limits.md, %s: no test tries %s on both sides", dir, name)
			}
			for _, test := range named {
				if !tests[test[1]] {
					t.Errorf("docs/limits.md, %s: the test of %s is not there: %s", dir, name, test[1])
				}
			}
		}
		limits := constantsOf(t, file)
		for name, value := range limits {
			if documented[name] != value {
				t.Errorf("docs/limits.md, %s: %q is documented; want a row | `%s` | %s | … | `Test…` |", dir, documented[name], name, value)
			}
		}
		for name := range documented {
			if _, ok := limits[name]; !ok {
				t.Errorf("docs/limits.md, %s: there is no %s in %s", dir, name, file)
			}
		}
	}
}

// testsOf are the tests of a folder.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, file := range files {
		if err := addTests(file, tests); err != nil {
			t.Fatal(err)
		}
	}
	return tests
}

// outside is a bound that is declared where nobody looks for it.
var outside = regexp.MustCompile(`(?m)^(?:const |\t)((?:[mM]ax|[mM]in)[A-Z]\w*)(?: [a-z0-9]+)? += [^=]`)

// TestLimitsAreInOnePlace: no bound is declared but in a package's limits.go.
func TestLimitsAreInOnePlace(t *testing.T) {
	for _, root := range []string{".", "../evidence", "../rego", "../tofu", "../replay", "../cmd/gatehouse"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || entry.Name() == "limits.go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, name := range outside.FindAllSubmatch(text, -1) {
				switch string(name[1]) {
				case "maxSeconds", "minSeconds": // what a format can say
				case "minSecret": // bounds nothing
				default:
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

// timePackage is what constants use of package time. To have the compiler read the
// real one takes a second for each file.
type timePackage struct{}

func (timePackage) Import(path string) (*types.Package, error) {
	if path != "time" {
		return nil, errors.New("not imported")
	}
	pkg := types.NewPackage("time", "time")
	duration := types.NewNamed(types.NewTypeName(token.NoPos, pkg, "Duration", nil), types.Typ[types.Int64], nil)
	for name, d := range map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour} {
		pkg.Scope().Insert(types.NewConst(token.NoPos, pkg, name, duration, constant.MakeInt64(int64(d))))
	}
	pkg.MarkComplete()
	return pkg, nil
}

// constantsOf evaluates the constants of one file, which may use package time.
func constantsOf(t *testing.T, file string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: timePackage{}, Error: func(error) {}}
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
