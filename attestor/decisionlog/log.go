package decisionlog

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// closeTimeout is how long the end of a Log may take: SPIRE gives a plugin ten
	// seconds to end.
	closeTimeout = 5 * time.Second
)

// withheld is a message that operators look for.
const withheld = "Decision log withheld the contents of an event"

// A Log writes events to its sinks, in the order of Put. A nil Log writes nothing.
// All methods are safe for concurrent use.
type Log struct {
	labels     map[string]string
	sinks      []sink
	log        hclog.Logger
	complaints *complaints

	mu     sync.Mutex // held to put events, and to close
	queue  chan *Event
	closed bool

	ended chan struct{}
	stop  context.CancelFunc // gives up what is still to be written
}

// sink is one place to which lines go. It is used by one goroutine.
type sink interface {
	name() string

	// write takes a line, and above gives the configuration line that must stand
	// above it.
	write(ctx context.Context, l *line, above configuration) error

	// close writes what there still is to write, until ctx ends.
	close(ctx context.Context) error
}

// configuration is a configuration that lines are made with.
type configuration struct {
	digest string
	line   func() *line // nil if it can't be written
}

// Start starts a log, or returns nil if config has no sink. It does not write
// before old, which it is to replace and which may write to the same file, has
// ended; old may be nil.
func Start(config Config, labels map[string]string, log hclog.Logger, old *Log) (*Log, error) {
	l := newLog(withOwnLabels(labels), log, config.Lost)
	var err error
	if l.sinks, err = l.open(config); err != nil || len(l.sinks) == 0 {
		return nil, err
	}
	l.start(old)
	return l, nil
}

func newLog(labels map[string]string, log hclog.Logger, lost func(int64)) *Log {
	return &Log{
		labels:     labels,
		log:        log,
		complaints: newComplaints(log, lost),
		queue:      make(chan *Event, maxWaiting),
		ended:      make(chan struct{}),
	}
}

func (l *Log) start(old *Log) {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.run(ctx, old)
	go l.complaints.run(l.ended)
}

// Put has an event written. It never waits: if too many do already, the event is
// lost, and counted.
func (l *Log) Put(e *Event) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.complaints.add(1, "queue", "the decision log is closed")
		return
	}
	select {
	case l.queue <- e:
	default:
		l.complaints.add(1, "queue", fmt.Sprintf("%d events are waiting to be written, and there is no room for more", maxWaiting))
	}
}

// Lost is how many events did not get to a sink, as far as is known; one that two
// sinks did not get counts twice.
func (l *Log) Lost() int64 {
	if l == nil {
		return 0
	}
	return l.complaints.sum()
}

// Close takes no more events, and returns a channel that is closed when all have
// been written, or given up after some seconds.
func (l *Log) Close() (done <-chan struct{}) {
	if l == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.queue)
		time.AfterFunc(closeTimeout, l.stop)
	}
	return l.ended
}

// run ends when all is written, or given up.
func (l *Log) run(ctx context.Context, old *Log) {
	defer close(l.ended)
	defer l.stop()
	written := make(chan struct{})
	go func() {
		defer close(written)
		if old != nil {
			<-old.ended
		}
		l.writeAll(ctx)
	}()
	select {
	case <-written:
	case <-ctx.Done():
		// A file on a server that is gone hangs for ever: nobody waits for it.
		if left := len(l.queue); left > 0 {
			l.complaints.add(int64(left), "queue", "they could not be written before the end")
		}
	}
}

func (l *Log) writeAll(ctx context.Context) {
	for e := range l.queue {
		if ctx.Err() != nil {
			return
		}
		l.write(ctx, e)
	}
	for _, s := range l.sinks {
		if err := s.close(ctx); err != nil {
			l.complaints.add(0, s.name(), err.Error())
		}
	}
}

// write writes one event to each sink. A panic is one event lost: SPIRE does not
// restart a plugin that died.
func (l *Log) write(ctx context.Context, e *Event) {
	defer func() {
		if r := recover(); r != nil {
			l.complaints.add(1, "panic", fmt.Sprintf("%v\n%s", r, debug.Stack()))
		}
	}()
	made, err := l.lineOf(ctx, e)
	if err != nil {
		l.log.Error(withheld, "decision_id", e.DecisionID, "error", err)
	}
	if made == nil {
		return
	}
	var above configuration
	if e.Config != nil {
		above.digest = e.Config.digest
		above.line = sync.OnceValue(func() *line { return l.configLine(e) })
	}
	for _, s := range l.sinks {
		if err := s.write(ctx, made, above); err != nil {
			l.complaints.add(1, s.name(), err.Error())
		}
	}
}
