package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// A Log is one file of a decision log, plain or packed with gzip.
type Log struct {
	Name string
	Size int64 // bytes, as it is stored; 0 if that is not known
	Open func() (io.ReadCloser, error)
}

// Logs finds the files that names are of: a file, a directory for all that it holds
// of *.jsonl and *.jsonl.gz, or "-" for stdin.
func Logs(names []string, stdin io.Reader) ([]Log, error) {
	var logs []Log
	for _, name := range names {
		if name == "-" {
			logs = append(logs, Log{Name: "stdin", Open: func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }})
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("log %s: %w", name, errors.Unwrap(err))
		}
		if !info.IsDir() {
			logs = append(logs, file(name, info))
			continue
		}
		// Rotated files have their time in their names, and so come in order.
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, fmt.Errorf("log %w", err)
		}
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
			return e.IsDir() || !strings.HasSuffix(strings.TrimSuffix(e.Name(), ".gz"), ".jsonl")
		})
		if len(entries) == 0 {
			return nil, fmt.Errorf("log %s: the directory holds no *.jsonl and no *.jsonl.gz", name)
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil {
				return nil, fmt.Errorf("log %w", err)
			}
			logs = append(logs, file(filepath.Join(name, entry.Name()), info))
		}
	}
	return logs, nil
}

func file(name string, info fs.FileInfo) Log {
	size := info.Size()
	if !info.Mode().IsRegular() {
		size = 0
	}
	return Log{Name: name, Size: size, Open: func() (io.ReadCloser, error) { return os.Open(name) }}
}

// counted counts the bytes that are read.
type counted struct {
	io.Reader
	read *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	return n, err
}

var gzipMagic = []byte{0x1f, 0x8b}

// unpack reads what may be packed. What it is shows in its first bytes.
func unpack(in io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	head, err := buffered.Peek(len(gzipMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.Equal(head, gzipMagic) {
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}
