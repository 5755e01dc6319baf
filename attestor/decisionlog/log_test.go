package decisionlog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a sink that does not come back while a test goes on, as a file on a server
// that is gone.
type stuck struct{ ended chan struct{} }

func (s *stuck) name() string { return "stuck" }

func (s *stuck) write(context.Context, *line, configuration) error {
	<-s.ended // whatever the context says
	return nil
}

func (s *stuck) close(context.Context) error { return nil }

// failing is a full disk.
type failing struct{ panics bool }

func (failing) name() string { return "file" }

func (f failing) write(context.Context, *line, configuration) error {
	if f.panics {
		panic("nil pointer")
	}
	return errors.New("no space left on device")
}

func (failing) close(context.Context) error { return nil }

// counting counts the lines that it gets.
type counting struct{ lines int }

func (*counting) name() string { return "counting" }

func (c *counting) write(context.Context, *line, configuration) error { c.lines++; return nil }
func (c *counting) close(context.Context) error                       { return nil }

// startWith starts a log with sinks of a test's own.
func startWith(t testing.TB, sinks ...sink) (*Log, *serverLog) {
	t.Helper()
	logged, logger := newServerLog()
	l := newLog(testLabels, logger, nil)
	l.sinks = sinks
	l.start(nil)
	return l, logged
}

// TestStuckSink: a sink that does not come back delays nobody, nor the log's end for longer
// than SPIRE waits, and the server's log says how much is lost, at once and at the end.
func TestStuckSink(t *testing.T) {
	const more = 10
	const patience = 10 * time.Second // SPIRE's with a plugin that is to end
	e := denial(t, nil, "1")
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{ended: make(chan struct{})}
		defer close(s.ended)
		l, logged := startWith(t, s)
		lost := func(want ...float64) {
			t.Helper()
			synctest.Wait()
			var got []float64
			var sum int64
			for _, line := range logged.lines(t, lostEvents) {
				got = append(got, line["events"].(float64))
				sum += int64(line["events"].(float64))
			}
			if !slices.Equal(got, want) || l.Lost() != sum {
				t.Errorf("the server's log tells of %v lost events, want %v; %d are counted", got, want, l.Lost())
			}
		}
		l.Put(e)
		synctest.Wait() // the sink has it
		for range maxWaiting {
			l.Put(e)
		}
		lost()
		l.Put(e)
		lost(1)
		for range more {
			l.Put(e)
		}
		select {
		case <-l.Close():
		case <-time.After(patience):
			t.Fatalf("the log does not close in %v", patience)
		}
		lost(1, more+maxWaiting)
	})
}

// TestFailingSink: what one sink can't take the others get, and of a thousand
// failures the server's log has few lines.
func TestFailingSink(t *testing.T) {
	const events = 500
	e := denial(t, nil, "1")
	for name, tc := range map[string]struct {
		sink  sink
		cause string // a part of it
		field string
	}{
		"disk full": {failing{}, "no space left on device", "file"},
		"panic":     {failing{panics: true}, "nil pointer", "panic"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := &counting{}
				l, logged := startWith(t, other, tc.sink)
				for range events {
					l.Put(e)
				}
				synctest.Wait()
				if lines := logged.lines(t, lostEvents); len(lines) != 1 {
					t.Errorf("%d complaints at once, want one: %v", len(lines), lines)
				}
				time.Sleep(complainEvery + time.Second)
				<-l.Close()
				synctest.Wait()
				lines := logged.lines(t, lostEvents)
				var sum float64
				for _, line := range lines {
					sum += line["events"].(float64)
					if cause, _ := line[tc.field].(string); !strings.Contains(cause, tc.cause) {
						t.Errorf("complaint %v does not have %s with %q", line, tc.field, tc.cause)
					}
				}
				if len(lines) != 2 || sum != events || l.Lost() != events || other.lines != events {
					t.Errorf("%d complaints of %v events, %d lost, %d written elsewhere", len(lines), sum, l.Lost(), other.lines)
				}
			})
		})
	}
}

func TestNoLog(t *testing.T) {
	l, err := Start(Config{}, testLabels, nil, nil)
	if l != nil || err != nil {
		t.Fatalf("got %v, %v", l, err)
	}
	l.Put(&Event{})
	<-l.Close()
	if l.Lost() != 0 {
		t.Errorf("%d lost", l.Lost())
	}
}

// TestSuccessor: a log that takes over the file of another one writes after it.
func TestSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	config := Config{File: &File{Path: path, MaxBytes: 100 << 20}}
	first, _ := start(t, config)
	engine := engineWith(t, "")
	for i := range 200 {
		first.Put(denial(t, engine, fmt.Sprint(i)))
	}
	_, logger := newServerLog()
	second, err := Start(config, testLabels, logger, first)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	second.Put(denial(t, engine, "200"))
	<-second.Close()
	first.Put(denial(t, nil, "late"))
	if first.Lost() != 1 {
		t.Errorf("%d events put too late were counted, want 1", first.Lost())
	}
	got := paths(t, path)
	var want []string
	for i := range 201 {
		if i == 0 || i == 200 {
			want = append(want, "config")
		}
		want = append(want, fmt.Sprint(i))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got\n%v, want\n%v", got, want)
	}
}

// TestConsole: the server's log gets whole events, and of a long one what fits.
func TestConsole(t *testing.T) {
	l, logged := start(t, Config{Console: true})
	short, long := denial(t, nil, "short"), denial(t, nil, "long")
	long.Outcome.FactErrors = []string{strings.Repeat(`"`, maxConsoleText/2)}
	l.Put(short)
	l.Put(long)
	<-l.Close()
	lines := logged.lines(t, "Decision")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want the configuration and two decisions: %v", len(lines), lines)
	}
	for i, want := range []string{`"path":"gatehouse/config"`, `"Name":"blog"`, `"decision_id":"long"`} {
		text, _ := lines[i]["event"].(string)
		if !strings.Contains(text, want) || len(text) > maxConsoleText {
			t.Errorf("line %d has %d bytes: %.1000s, want %s", i, len(text), text, want)
		}
		if i == 2 && strings.Contains(text, "blog") {
			t.Errorf("the long one is there whole: %s", text)
		}
	}
}
