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
	Size int64 // bytes, as it is stored; -1 if that is not known
	Open func() (io.ReadCloser, error)

	// Rotated says that the file is one of a directory's: it may be gone when its
	// turn comes.
	Rotated bool
}

// Logs finds the files that names are of: a file, a directory for all that it holds
// of *.jsonl and *.jsonl.gz, or "-" for stdin. Of a file of a directory that is there
// both plain and packed, the packed one is left out: who packs it has not yet removed
// the plain one.
func Logs(names []string, stdin io.Reader) ([]Log, error) {
	var logs []Log
	for _, name := range names {
		if name == "-" {
			logs = append(logs, Log{Name: "stdin", Size: -1, Open: func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }})
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
		plain := map[string]bool{}
		for _, entry := range entries {
			plain[entry.Name()] = true
		}
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
			base, packed := strings.CutSuffix(e.Name(), ".gz")
			return e.IsDir() || !strings.HasSuffix(base, ".jsonl") || packed && plain[base]
		})
		if len(entries) == 0 {
			return nil, fmt.Errorf("log %s: the directory holds no *.jsonl and no *.jsonl.gz", name)
		}
		for _, entry := range entries {
			path := filepath.Join(name, entry.Name())
			log := Log{Name: path, Open: open(path)}
			if info, err := os.Stat(path); err == nil {
				log = file(path, info)
			}
			log.Rotated = true
			logs = append(logs, log)
		}
	}
	return logs, nil
}

func file(name string, info fs.FileInfo) Log {
	size := info.Size()
	if !info.Mode().IsRegular() {
		size = -1
	}
	return Log{Name: name, Size: size, Open: open(name)}
}

func open(name string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return os.Open(name) }
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
