package replay_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/testrecording"
	"github.com/spire-gatehouse/gatehouse/replay"
)

// recording has 10,000 decisions.
const recording = "../testdata/replay/log"

// linesOf are the first lines of what is recorded: of 200 decisions those of a plugin.
func linesOf(t testing.TB, plugin string) []string {
	t.Helper()
	return recorded(t, plugin, map[string]int{"aws_iid": 180, "azure_msi": 20}[plugin])
}

func recorded(t testing.TB, plugin string, decisions int) []string {
	t.Helper()
	lines, err := testrecording.First(recording, plugin, decisions)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// logOf is a file of these lines.
func logOf(name string, lines ...string) replay.Log {
	text := strings.Join(lines, "\n")
	return replay.Log{Name: name, Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

// changed is a line with a field of its JSON changed; nil takes it away.
func changed(t testing.TB, line, path string, value any) string {
	t.Helper()
	var event map[string]any
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&event); err != nil {
		t.Fatal(err)
	}
	names := strings.Split(path, ".")
	object := event
	for _, name := range names[:len(names)-1] {
		object = object[name].(map[string]any)
	}
	if last := names[len(names)-1]; value == nil {
		delete(object, last)
	} else {
		object[last] = value
	}
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// attested is the first line of a node that was let in.
func attested(t testing.TB, lines []string) string {
	t.Helper()
	for _, line := range lines {
		if strings.Contains(line, `"outcome":"attested"`) {
			return line
		}
	}
	t.Fatal("nobody was let in")
	return ""
}

func noClock() time.Time { return time.Time{} }

// policy is a directory over the baseline with these files.
func policy(t testing.TB, files map[string]string) replay.Policy {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := replay.OpenPolicy(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	p.Name = "candidate"
	return p
}

func run(t testing.TB, o replay.Options, logs ...replay.Log) *replay.Report {
	t.Helper()
	o.Now = noClock
	report, err := replay.Run(t.Context(), logs, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func asJSON(t testing.TB, value any) string {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
