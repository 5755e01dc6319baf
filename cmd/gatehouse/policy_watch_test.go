package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// lockedBuffer is written by a command that another goroutine reads.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// policy test --watch runs the tests at once, and at each change, also of what
// doesn't compile, until it is interrupted.
func TestPolicyTestWatch(t *testing.T) {
	dir := t.TempDir()
	write := func(test string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "x_test.rego"), []byte("package x_test\n\n"+test+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("test_x if 1 == 1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out lockedBuffer
	root := newRoot()
	root.SetArgs([]string{"policy", "test", "--watch", dir})
	root.SetOut(&out)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	await := func(text string, times int) {
		t.Helper()
		testwait.Until(t, func() string {
			if shown := out.String(); strings.Count(shown, text) < times {
				return fmt.Sprintf("no %q in\n%s", text, shown)
			}
			return ""
		})
	}
	await("PASS: 1/1", 1)
	write("test_x if 1 == 2")
	await("FAIL: 1/1", 1)
	write("test_x if nothing")
	await("x_test.rego:3: rego_unsafe_var_error: var nothing is unsafe", 1)
	write("test_x if 2 == 2")
	await("PASS: 1/1", 2)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
