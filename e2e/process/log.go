package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Log is what a process has written, line by line. It is safe for concurrent
// use.
type Log struct {
	mu      sync.Mutex
	partial []byte
	lines   []string
	changed chan struct{} // closed and replaced at every new line
	ended   bool
}

func newLog() *Log { return &Log{changed: make(chan struct{})} }

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, ok := bytes.Cut(l.partial, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.lines = append(l.lines, string(line))
		l.partial = slices.Clone(rest)
		l.wake()
	}
}

// end says that nothing more will come.
func (l *Log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.lines = append(l.lines, string(l.partial))
		l.partial = nil
	}
	l.ended = true
	l.wake()
}

func (l *Log) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Len is how many lines there are so far, to be passed to Wait.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

// Lines returns the lines so far, without the first skip.
func (l *Log) Lines(skip int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if skip >= len(l.lines) {
		return nil
	}
	return slices.Clone(l.lines[skip:])
}

// Tail returns the last n lines as one text, for error messages.
func (l *Log) Tail(n int) string {
	lines := l.Lines(0)
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Wait waits for an entry that match accepts, passing over the first skip
// lines. It fails when ctx ends or the process does.
func (l *Log) Wait(ctx context.Context, skip int, match func(Entry) bool) (Entry, error) {
	for next := skip; ; {
		l.mu.Lock()
		var fresh []string
		if next < len(l.lines) {
			fresh = slices.Clone(l.lines[next:])
		}
		changed, ended := l.changed, l.ended
		l.mu.Unlock()

		for _, line := range fresh {
			if entry := parseEntry(line); match(entry) {
				return entry, nil
			}
		}
		next += len(fresh)
		if ended {
			return Entry{}, fmt.Errorf("process: the process ended without the log entry waited for; its log ends\n%s", l.Tail(15))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Entry{}, fmt.Errorf("process: waiting for a log entry: %w; the log ends\n%s", ctx.Err(), l.Tail(15))
		}
	}
}

// Entries returns the entries so far, without those of the first skip lines.
func (l *Log) Entries(skip int) []Entry {
	var entries []Entry
	for _, line := range l.Lines(skip) {
		entries = append(entries, parseEntry(line))
	}
	return entries
}

// An Entry is one line of a JSON log as SPIRE writes it. A line that is not JSON, such as
// one of a crash, is all Message.
type Entry struct {
	Message string
	Fields  map[string]any
}

func parseEntry(line string) Entry {
	entry := Entry{}
	if json.Unmarshal([]byte(line), &entry.Fields) != nil {
		return Entry{Message: line}
	}
	entry.Message = entry.Field("msg")
	return entry
}

// Field returns a field as text, "" when it is not there.
func (e Entry) Field(name string) string {
	switch value := e.Fields[name].(type) {
	case nil:
		return ""
	case string:
		return value
	default:
		return fmt.Sprint(value)
	}
}

// Message matches entries with exactly this message.
func Message(text string) func(Entry) bool {
	return func(e Entry) bool { return e.Message == text }
}
