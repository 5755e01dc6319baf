package decisionlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// paths are the paths of a file's lines, with the ID of decisions.
func paths(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, text := range strings.Split(strings.TrimSuffix(string(content), "\n"), "\n") {
		reader := NewReader(strings.NewReader(text))
		d, err := reader.Next()
		switch {
		case err == nil:
			all = append(all, d.DecisionID)
		case reader.Torn() > 0:
			all = append(all, "torn")
		default:
			all = append(all, "config")
		}
	}
	return all
}

func decision(id string, bytes int) *line {
	head := fmt.Sprintf(`{"decision_id":%q,"path":"gatehouse/aws_iid/decision","padding":"`, id)
	return &line{json: []byte(head + strings.Repeat("x", max(0, bytes-len(head)-2)) + `"}`)}
}

func above(digest string) configuration {
	return configuration{digest, func() *line {
		return &line{json: fmt.Appendf(nil, `{"decision_id":"c","path":%q,"result":{"is":%[2]q},"custom":{"gatehouse":{"config":%[2]q}}}`, ConfigPath, digest)}
	}}
}

// TestFileBegins: each file, the rotated ones too, begins with the configuration of
// the decisions in it, and a change of configuration is in between.
func TestFileBegins(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "decisions.jsonl")
	s, err := openFile(File{Path: path, MaxBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i, digest := range []string{"a", "a", "b", "a", "a"} {
		if err := s.write(t.Context(), decision(fmt.Sprint(i), 300), above(digest)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	var got [][]string
	for _, file := range files {
		got = append(got, paths(t, file))
		if info, err := os.Stat(file); err != nil || info.Mode() != fileMode || info.Size() > 1200 {
			t.Errorf("%s: mode %v, %d bytes, %v", file, info.Mode(), info.Size(), err)
		}
	}
	// Rotated names, with their times, sort before the plain one.
	want := [][]string{{"config", "0", "1"}, {"config", "2", "config", "3"}, {"config", "4"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// Another process goes on in the last file, and can't know what is in it.
	s, err = openFile(File{Path: path, MaxBytes: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), decision("5", 300), above("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"config", "4", "config", "5"}, paths(t, path)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

// TestFileKeeps: of the files of earlier days only as many are kept as configured,
// and packed.
func TestFileKeeps(t *testing.T) {
	dir := t.TempDir()
	for day := range 5 {
		old := filepath.Join(dir, fmt.Sprintf("decisions-2026-01-0%dT00-00-00.000-size.jsonl", day+1))
		if err := os.WriteFile(old, []byte("{}\n"), fileMode); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openFile(File{Path: filepath.Join(dir, "decisions.jsonl"), MaxBytes: 400, MaxFiles: 2, Compress: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), decision("1", 300), above("")); err != nil {
		t.Fatal(err)
	}
	if err := s.close(t.Context()); err != nil { // waits for the tidying up
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	want := []string{
		"decisions-2026-01-04T00-00-00.000-size.jsonl.gz",
		"decisions-2026-01-05T00-00-00.000-size.jsonl.gz",
		"decisions.jsonl",
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTornLine: what a crash or a full disk left is not glued to what comes next.
func TestTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	if err := os.WriteFile(path, []byte(`{"decision_id":"half`), 0o640); err != nil {
		t.Fatal(err)
	}
	s, err := openFile(File{Path: path, MaxBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), decision("1", 100), above("")); err != nil {
		t.Fatal(err)
	}
	if err := s.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"torn", "1"}, paths(t, path)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFileThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct{ path, want string }{
		"folder is missing": {filepath.Join(dir, "none", "d.jsonl"), "no such file or directory"},
		"a folder":          {dir, "is no regular file"},
		"a device":          {os.DevNull, "is no regular file"},
	} {
		if _, err := openFile(File{Path: tc.path}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func TestReader(t *testing.T) {
	text := strings.Join([]string{
		`{"decision_id":"before any configuration","path":"gatehouse/aws_iid/decision","custom":{"gatehouse":{"config":"a"}}}`,
		`{"decision_id":"c","path":"gatehouse/config","result":{"n":1},"custom":{"gatehouse":{"config":"a"}}}`,
		`{"decision_id":"1","path":"gatehouse/aws_iid/decision","input":{"x":1.50},"result":{"exempt":["y"]},"custom":{"gatehouse":{"outcome":"denied","config":"a"}}}`,
		``,
		`{"decision_id":"2","path":"gatehouse/azure_msi/verify","custom":{"gatehouse":{"outcome":"bad_evidence","config":"a"}}}`,
		`{"decision_id":"torn`,
		`{"decision_id":"3","path":"gatehouse/aws_iid/admission","erased":["/input"],"custom":{"gatehouse":{"config":"b"}}}`,
		`{"decision_id":"4","path":"gatehouse/aws_iid/admission","custom":{"masked":["/input"],"gatehouse":{"config":"a"}}}`,
	}, "\n")
	type short struct {
		Line                        int
		ID, Plugin, Question, Input string
		Result                      *Result
		Outcome, Digest             string
		Config                      map[string]any
		Taken                       []string
	}
	var got []short
	reader := NewReader(strings.NewReader(text))
	for {
		d, err := reader.Next()
		if err != nil {
			break
		}
		got = append(got, short{d.Line, d.DecisionID, d.Plugin, d.Question, textOf(t, d.Input), d.Result, d.Outcome.Outcome, d.ConfigDigest, d.Config, d.Taken})
	}
	config := map[string]any{"n": 1.0}
	want := []short{
		{Line: 1, ID: "before any configuration", Plugin: "aws_iid", Question: "decision"},
		{Line: 3, ID: "1", Plugin: "aws_iid", Question: "decision", Input: `{"x":1.50}`, Result: &Result{Exempt: []string{"y"}}, Outcome: "denied", Digest: "a", Config: config},
		{Line: 5, ID: "2", Plugin: "azure_msi", Question: "verify", Outcome: "bad_evidence", Digest: "a", Config: config},
		{Line: 7, ID: "3", Plugin: "aws_iid", Question: "admission", Taken: []string{"/input"}},
		{Line: 8, ID: "4", Plugin: "aws_iid", Question: "admission", Digest: "a", Config: config, Taken: []string{"/input"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if reader.Torn() != 1 {
		t.Errorf("%d torn lines, want 1", reader.Torn())
	}
	_, err := NewReader(bytes.NewReader(bytes.Repeat([]byte("x"), maxConfigLine+1))).Next()
	if err == nil || !strings.Contains(err.Error(), "this is no decision log") {
		t.Errorf("an endless line: %v", err)
	}
}

// TestReaderPassesOver: of a line that can't be read there is to know which it is and
// what is wrong with it, and the ones after it are read.
func TestReaderPassesOver(t *testing.T) {
	decision := `{"decision_id":"1","path":"gatehouse/aws_iid/decision","custom":{"gatehouse":{"config":"a"}}}`
	text := strings.Join([]string{
		`{"decision_id":"c","path":"gatehouse/config","result":[],"custom":{"gatehouse":{"config":"a"}}}`,
		strings.Repeat("x", maxConfigLine+1),
		`{"decision_id":"torn`,
		`{"msg":"another program's"}`,
		`{"decision_id":"1","path":"authz/allow"}`,
		`["a list"]`,
		decision,
	}, "\n")
	var got []string
	reader := NewReader(strings.NewReader(text))
	for {
		line, err := reader.NextLine()
		if errors.Is(err, io.EOF) {
			break
		}
		var d *Decision
		if err == nil {
			d, err = line.Clone().Decision()
		}
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, fmt.Sprintf("line %d: decision %s, configuration %v", d.Line, d.DecisionID, d.Config))
	}
	want := []string{
		"line 1: " + ErrConfig.Error(), "line 2: " + ErrLong.Error(), "line 3: " + ErrTorn.Error(),
		"line 4: " + ErrForeign.Error(), "line 5: " + ErrForeign.Error(), "line 6: " + ErrForeign.Error(),
		"line 7: decision 1, configuration map[]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReaderMixed: a collector may mix the logs of servers that are configured
// differently.
func TestReaderMixed(t *testing.T) {
	config := func(digest string) string {
		return fmt.Sprintf(`{"decision_id":"c","path":"gatehouse/config","result":{"is":%[1]q},"custom":{"gatehouse":{"config":%[1]q}}}`, digest)
	}
	decision := func(digest string) string {
		return fmt.Sprintf(`{"decision_id":"d","path":"gatehouse/aws_iid/decision","custom":{"gatehouse":{"config":%q}}}`, digest)
	}
	lines := []string{config("a"), config("b"), decision("a"), decision("b"), config("a")}
	for i := range maxConfigs - 1 {
		lines = append(lines, config(fmt.Sprint(i)))
	}
	lines = append(lines, decision("a"), decision("b"))
	reader := NewReader(strings.NewReader(strings.Join(lines, "\n")))
	var got []any
	for {
		d, err := reader.Next()
		if err != nil {
			break
		}
		got = append(got, d.Config["is"])
	}
	// The oldest is forgotten.
	if diff := cmp.Diff([]any{"a", "b", "a", nil}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// textOf is a value's JSON; empty for none.
func textOf(t *testing.T, value rego.Value) string {
	t.Helper()
	if value.IsNull() {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
