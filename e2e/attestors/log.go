package attestors

import (
	"io"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"
)

// A Log keeps what an attestor logs. It is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	entries []Entry
	arrived chan struct{} // closed, and replaced, with each entry
}

// Entry is one line of a log.
type Entry struct {
	Message string
	Fields  map[string]any
}

func newLog() *Log { return &Log{arrived: make(chan struct{})} }

// logger is what SPIRE writes to.
func (l *Log) logger() logrus.FieldLogger {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	logger.SetLevel(logrus.DebugLevel)
	logger.AddHook(hook{l})
	return logger
}

// Find returns the entry that fits, now or when it arrives; false when done is
// closed before. A program's log and its answers come over different pipes.
func (l *Log) Find(done <-chan struct{}, fits func(Entry) bool) (Entry, bool) {
	for {
		l.mu.Lock()
		i, arrived := slices.IndexFunc(l.entries, fits), l.arrived
		if i >= 0 {
			defer l.mu.Unlock()
			return l.entries[i], true
		}
		l.mu.Unlock()
		select {
		case <-arrived:
		case <-done:
			return Entry{}, false
		}
	}
}

// Forget empties the log.
func (l *Log) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

type hook struct{ log *Log }

func (hook) Levels() []logrus.Level { return logrus.AllLevels }

func (h hook) Fire(entry *logrus.Entry) error {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	h.log.entries = append(h.log.entries, Entry{Message: entry.Message, Fields: map[string]any(entry.Data)})
	close(h.log.arrived)
	h.log.arrived = make(chan struct{})
	return nil
}
