package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestPostgresLimits tries each bound on both sides.
func TestPostgresLimits(t *testing.T) {
	password := func(n int) error {
		path := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(path, []byte(strings.Repeat("p", n)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadPassword(path)
		return err
	}
	if err := password(maxPasswordBytes); err != nil {
		t.Error(err)
	}
	if err := password(maxPasswordBytes + 1); err == nil || !strings.HasSuffix(err.Error(), "is not a file of one short line") {
		t.Errorf("one byte more: got %v", err)
	}
	for asked, want := range map[int]int32{maxConnections: maxConnections, maxConnections + 1: maxConnections} {
		db, err := Open(Options{ConnectionString: "host=db", MaxConnections: asked, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if got := db.pool.Config().MaxConns; got != want {
			t.Errorf("%d connections asked for: got %d, want %d", asked, got, want)
		}
		db.Close()
	}
}

// TestMessageSize: the server's messages are read up to the bound.
func TestMessageSize(t *testing.T) {
	db, err := Open(Options{ConnectionString: "host=db", MaxConnections: 1, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	receive := func(n int) error {
		message := binary.BigEndian.AppendUint32([]byte{'d'}, uint32(n+4)) // CopyData, which may hold anything
		message = append(message, make([]byte, n)...)
		_, err := db.pool.Config().ConnConfig.BuildFrontend(bytes.NewReader(message), io.Discard).Receive()
		return err
	}
	if err := receive(maxMessageBytes); err != nil {
		t.Error(err)
	}
	var tooLong *pgproto3.ExceededMaxBodyLenErr
	if err := receive(maxMessageBytes + 1); !errors.As(err, &tooLong) {
		t.Errorf("one byte more: got %v", err)
	}
}
