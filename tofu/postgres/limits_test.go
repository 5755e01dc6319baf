package postgres

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
