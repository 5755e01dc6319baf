package attestor

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	definedTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// definedTests are the tests of both modules.
func definedTests(t *testing.T) map[string]bool {
	t.Helper()
	defined := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != ".." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, "_test.go") {
			err = addTests(path, defined)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return defined
}

// tablesOf are the rows of the tables below a heading of a page, up to the next
// heading, as cells.
func tablesOf(t *testing.T, page, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("docs/%s has no heading %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if strings.HasPrefix(line, "| ") && len(cells) > 1 {
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("docs/%s has no table below %q", page, heading)
	}
	return rows[1:] // the first has the names of the columns
}

// addTests adds the tests of one file.
func addTests(path string, to map[string]bool) error {
	text, err := os.ReadFile(path)
	for _, match := range definedTest.FindAllStringSubmatch(string(text), -1) {
		to[match[1]] = true
	}
	return err
}

// TestDocumentedTestsExist: each test that the documentation points to is there,
// each attack has one, and each test of an attack is in the table.
func TestDocumentedTestsExist(t *testing.T) {
	defined := definedTests(t)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no documentation", err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range namedTest.FindAllStringSubmatch(string(text), -1) {
			if !defined[match[1]] {
				t.Errorf("%s: there is no %s", page, match[1])
			}
		}
	}
	shown := map[string]bool{}
	for _, row := range tablesOf(t, "security.md", "## Attacks") {
		tests := namedTest.FindAllStringSubmatch(row[len(row)-1], -1)
		if len(tests) == 0 && !strings.Contains(row[len(row)-1], "—") {
			t.Errorf("no test for the attack: %s", row[0])
		}
		for _, test := range tests {
			shown[test[1]] = true
		}
	}
	for test := range defined {
		if strings.HasPrefix(test, "TestAttack") && !shown[test] {
			t.Errorf("%s is not in docs/security.md", test)
		}
	}
}
