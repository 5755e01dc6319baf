package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
)

// batch is some lines of a file that one worker judges.
type batch struct {
	file  string
	lines []lineRead
	bytes int

	done    chan struct{} // closed when the results are there
	results []result
}

// lineRead is a line, or what is wrong with it.
type lineRead struct {
	decisionlog.Line
	err *decisionlog.LineError
}

// readAll reads logs in batches, to be judged by whoever is free, and counted in
// their order.
func readAll(ctx context.Context, logs []Log, read *atomic.Int64, inOrder, todo chan<- *batch) error {
	send := func(b *batch) error {
		b.done = make(chan struct{})
		for _, to := range []chan<- *batch{inOrder, todo} {
			select {
			case to <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	for _, log := range logs {
		if err := readLog(log, read, send); err != nil {
			return err
		}
	}
	return nil
}

// readLog reads one file. One that ends in the middle, as a packed one does that is
// still being written, is read up to there.
func readLog(log Log, read *atomic.Int64, send func(*batch) error) error {
	f, err := log.Open()
	if log.Rotated && errors.Is(err, fs.ErrNotExist) {
		return send(&batch{file: log.Name, lines: []lineRead{{err: &decisionlog.LineError{Line: 1, Why: errGone}}}})
	}
	if err != nil {
		return fmt.Errorf("log %w", err)
	}
	defer f.Close()
	b := &batch{file: log.Name}
	flush := func() error {
		full := b
		b = &batch{file: log.Name}
		if len(full.lines) == 0 {
			return nil
		}
		return send(full)
	}
	last := 0
	broken := func(err error) error {
		b.lines = append(b.lines, lineRead{err: &decisionlog.LineError{Line: last + 1, Why: brokenError{err}}})
		return flush()
	}
	in, err := unpack(counted{f, read})
	if err != nil {
		return broken(err)
	}
	reader := decisionlog.NewReader(in)
	for {
		line, err := reader.NextLine()
		wrong, isLine := errors.AsType[*decisionlog.LineError](err)
		switch {
		case err == nil:
			b.lines = append(b.lines, lineRead{Line: line.Clone()})
			b.bytes += line.Bytes()
			last = line.Number
		case isLine:
			b.lines = append(b.lines, lineRead{err: wrong})
			last = wrong.Line
		case errors.Is(err, io.EOF):
			return flush()
		default:
			return broken(err)
		}
		if len(b.lines) == batchLines || b.bytes > batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// errGone is of a file that was there when the directory was listed.
var errGone = errors.New("can't be found: was the log rotated meanwhile?")

// brokenError is of a file that can't be read on.
type brokenError struct{ error }

func (e brokenError) Error() string { return "can't be read, nor what comes after it in the file" }
