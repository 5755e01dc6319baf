package decisionlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/DeRuina/timberjack"
)

// File is a file of lines. When it is full it is renamed, its time in its name, and
// another begun.
type File struct {
	Path     string
	MaxBytes int64 // what makes it full
	MaxFiles int   // full ones that are kept; 0 for all
	MaxDays  int   // that they are kept; 0 for ever
	Compress bool  // full ones, with gzip
}

// fileMode is for the server alone: lines say who may get in, and why.
const fileMode = 0o600

// fileSink decides itself when the file is full: each file begins with the
// configuration that its decisions were made with, so that it can be read alone.
type fileSink struct {
	file   *timberjack.Logger
	max    int64
	size   int64
	config string // digest of the last configuration in the file
	torn   bool   // the file doesn't end with a whole line
	opened bool
}

// openFile finds out whether the file can be written, and leaves the rest to the
// first line.
func openFile(config File) (*fileSink, error) {
	path, err := filepath.Abs(config.Path)
	if err != nil {
		return nil, err
	}
	// A pipe would make who opens it wait for a reader.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("is no regular file")}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, fileMode)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	const never = 1 << 30 // megabytes: it is not timberjack's to decide
	return &fileSink{max: config.MaxBytes, file: &timberjack.Logger{
		Filename:    path,
		MaxSize:     never,
		MaxBackups:  config.MaxFiles,
		MaxAge:      config.MaxDays,
		Compression: map[bool]string{true: "gzip", false: "none"}[config.Compress],
		FileMode:    fileMode,
	}}, nil
}

func (s *fileSink) name() string { return "file" }

func (s *fileSink) write(_ context.Context, l *line, above configuration) error {
	if !s.opened {
		if err := s.look(); err != nil {
			return err
		}
		s.opened = true
	}
	if s.size > 0 && s.size+int64(len(l.json))+1 > s.max {
		if err := s.file.Rotate(); err != nil {
			return err
		}
		s.size, s.config, s.torn = 0, "", false
	}
	if above.digest != "" && above.digest != s.config {
		if config := above.line(); config != nil {
			if err := s.append(config.json); err != nil {
				return err
			}
		}
		s.config = above.digest
	}
	return s.append(l.json)
}

// look finds out what there is of the file already.
func (s *fileSink) look() error {
	f, err := os.Open(s.file.Filename)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if s.size, err = f.Seek(0, io.SeekEnd); err != nil || s.size == 0 {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], s.size-1); err != nil {
		return err
	}
	s.torn = last[0] != '\n'
	return nil
}

// append writes a line in one piece. After a line that was not written whole, on a
// full disk say, the next one begins a line of its own.
func (s *fileSink) append(text []byte) error {
	whole := make([]byte, 0, len(text)+2)
	if s.torn {
		whole = append(whole, '\n')
	}
	whole = append(append(whole, text...), '\n')
	n, err := s.file.Write(whole)
	s.size += int64(n)
	if err != nil {
		s.torn = s.torn || n > 0
		return fmt.Errorf("writing a line: %w", err)
	}
	s.torn = false
	return nil
}

func (s *fileSink) close(context.Context) error { return s.file.Close() }
