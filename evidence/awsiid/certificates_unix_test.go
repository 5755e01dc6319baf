//go:build unix

package awsiid_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// To open a named pipe takes until somebody writes to it: none is opened.
func TestNamedPipes(t *testing.T) {
	for name, tc := range map[string]struct {
		read func(path string) error
		want string // before the path
	}{
		"certificates": {func(path string) error {
			_, err := awsiid.LoadCertificates(filepath.Dir(path))
			return err
		}, "awsiid: certificates: "},
		"account list": {awsiid.CheckAccountList, "account list: "},
	} {
		t.Run(name, func(t *testing.T) {
			pipe := filepath.Join(t.TempDir(), "us-west-2.pem")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Skipf("no named pipes here: %v", err)
			}
			done := make(chan error, 1)
			go func() { done <- tc.read(pipe) }()
			select {
			case err := <-done:
				if want := tc.want + pipe + " is not a file"; err == nil || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
			case <-time.After(testwait.Patience):
				t.Error("still waiting for the pipe")
				// A writer that comes and goes ends the wait.
				if writer, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
					writer.Close()
				}
			}
		})
	}
}
