package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// keep has all that was recorded in another directory, packed as small as can be. There
// must be so many decisions.
func keep(from, to string, decisions int) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	found := 0
	for _, entry := range entries {
		name, packed := strings.CutSuffix(entry.Name(), ".gz")
		path := filepath.Join(from, entry.Name())
		switch _, err := os.Stat(filepath.Join(from, name)); {
		case strings.HasSuffix(name, ".tmp"), packed && err == nil:
			continue // the server ended while it packed this file
		}
		text, err := os.ReadFile(path)
		if err == nil && packed {
			text, err = unpacked(text)
		}
		if err != nil {
			return fmt.Errorf("recording: %s: %w", entry.Name(), err)
		}
		found += decisionsIn(text)
		if err := writePacked(filepath.Join(to, name+".gz"), text); err != nil {
			return fmt.Errorf("recording: %w", err)
		}
	}
	if found != decisions {
		return fmt.Errorf("recording: %d decisions were recorded, want %d", found, decisions)
	}
	return nil
}

func unpacked(data []byte) ([]byte, error) {
	in, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(in)
}

// decisionsIn counts the lines but those of configurations.
func decisionsIn(text []byte) int {
	return bytes.Count(text, []byte("\n")) - bytes.Count(text, []byte(`"path":"gatehouse/config"`))
}

// writePacked packs as small as gzip can.
func writePacked(name string, text []byte) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	packer, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err == nil {
		_, err = packer.Write(text)
		err = errors.Join(err, packer.Close(), out.Flush())
	}
	return errors.Join(err, file.Close())
}
