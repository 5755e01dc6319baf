package attestor

import (
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// logSink keeps what the plugin logs.
type logSink struct {
	mu      sync.Mutex
	lines   []map[string]any
	arrived chan struct{} // closed at the next line; nil while nobody waits
}

// logger returns a logger whose lines s keeps.
func (s *logSink) logger() hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard})
	logger.RegisterSink(s)
	return logger
}

func (s *logSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	line := map[string]any{"level": level, "msg": msg}
	for i := 0; i+1 < len(args); i += 2 {
		line[args[i].(string)] = args[i+1]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	if s.arrived != nil {
		close(s.arrived)
		s.arrived = nil
	}
}

// next waits for a line with that message, and takes it and all before it away.
func (s *logSink) next(t *testing.T, msg string) map[string]any {
	t.Helper()
	late := time.After(testwait.Patience)
	for {
		s.mu.Lock()
		for i, line := range s.lines {
			if line["msg"] == msg {
				s.lines = s.lines[i+1:]
				s.mu.Unlock()
				return line
			}
		}
		if s.arrived == nil {
			s.arrived = make(chan struct{})
		}
		arrived, lines := s.arrived, s.lines
		s.mu.Unlock()
		select {
		case <-arrived:
		case <-late:
			t.Fatalf("no log line %q among %v", msg, lines)
		}
	}
}

func (s *logSink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = nil
}

// only returns the one line that there must be.
func (s *logSink) only(t *testing.T) map[string]any {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) != 1 {
		t.Fatalf("%d log lines, want one: %v", len(s.lines), s.lines)
	}
	return s.lines[0]
}

func (s *logSink) all() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}
