package dirwatch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/dirwatch"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// watched is a directory under watch. Changed, called for, sends on changed and
// only returns when that is received.
type watched struct {
	dir      string
	changed  chan time.Time
	problems chan error
}

// watch starts to watch, with an hour between polls, and waits until it does.
func watch(t *testing.T, dir string, poll time.Duration) watched {
	t.Helper()
	w := watched{dir, make(chan time.Time), make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		dirwatch.Run(ctx, dirwatch.Options{
			Dir: dir, Quiet: 20 * time.Millisecond, Most: 200 * time.Millisecond, Poll: poll,
			Changed: func(noticed time.Time) {
				select {
				case w.changed <- noticed:
				case <-ctx.Done():
				}
			},
			Problem: func(err error) { w.problems <- err },
		})
	}()
	t.Cleanup(func() {
		cancel()
		testwait.Receive(t, ended, "the watch does not end")
	})
	w.wait(t)
	return w
}

func (w watched) wait(t *testing.T) time.Time {
	t.Helper()
	return testwait.Receive(t, w.changed, "no change is noticed")
}

// refused waits for the problem that there are too many folders.
func (w watched) refused(t *testing.T) {
	t.Helper()
	err := testwait.Receive(t, w.problems, "nobody says that there are too many folders")
	if err.Error() != "dirwatch: "+w.dir+" has more than 1000 folders" {
		t.Error(err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(name, text string) error { return os.WriteFile(name, []byte(text), 0o644) }

// Every change is made to the same directory, one after the other: what is
// noticed of one must not blind the watch for the next.
func TestChangesAreNoticed(t *testing.T) {
	root := t.TempDir()
	first, second := filepath.Join(root, "..first"), filepath.Join(root, "..second")
	must(t, os.MkdirAll(filepath.Join(first, "sub"), 0o755), os.MkdirAll(filepath.Join(second, "sub"), 0o755))
	dir := filepath.Join(root, "policy")
	must(t, os.Mkdir(dir, 0o755), os.Symlink(filepath.Join("..", "..first"), filepath.Join(dir, "..data")),
		os.Symlink("..data/sub", filepath.Join(dir, "linked")))
	in := func(elements ...string) string { return filepath.Join(append([]string{dir}, elements...)...) }
	w := watch(t, dir, time.Hour)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"a new file", func() error { return write(in("a.rego"), "1") }},
		{"written again", func() error { return write(in("a.rego"), "2") }},
		{"replaced as editors do", func() error {
			return errors.Join(write(in(".a.rego.swp"), "3"), os.Rename(in(".a.rego.swp"), in("a.rego")))
		}},
		{"removed", func() error { return os.Remove(in("a.rego")) }},
		{"folders in folders", func() error { return os.MkdirAll(in("x", "y"), 0o755) }},
		{"a file in them", func() error { return write(in("x", "y", "b.rego"), "1") }},
		{"written again there", func() error { return write(in("x", "y", "b.rego"), "2") }},
		{"a file behind a link", func() error { return write(filepath.Join(first, "sub", "c.rego"), "1") }},
		{"a link swapped, as Kubernetes does", func() error {
			return errors.Join(os.Symlink(filepath.Join("..", "..second"), in("..data_tmp")), os.Rename(in("..data_tmp"), in("..data")), os.RemoveAll(first))
		}},
		{"a file behind the new link", func() error { return write(filepath.Join(second, "sub", "c.rego"), "1") }},
		{"moved away", func() error { return os.Rename(dir, dir+".old") }},
		{"back again", func() error { return os.Rename(dir+".old", dir) }},
		{"a file in the one that is back", func() error { return write(in("x", "y", "b.rego"), "3") }},
		{"another in its place", func() error {
			return errors.Join(os.Mkdir(dir+".new", 0o755), write(dir+".new/d.rego", "1"), os.Rename(dir, dir+".old"), os.Symlink(dir+".new", dir))
		}},
		{"a file in that", func() error { return write(dir+".new/d.rego", "2") }},
		{"the link to it swapped", func() error {
			return errors.Join(os.Symlink(dir+".old", dir+".link"), os.Rename(dir+".link", dir))
		}},
		{"a file in what it leads to now", func() error { return write(dir+".old/x/y/b.rego", "4") }},
	} {
		began := time.Now()
		must(t, step.do())
		t.Log(step.name)
		for w.wait(t).Before(began) { // told late of the step before
		}
	}
}

// A steady stream of changes is reported all the same.
func TestEndlessChanges(t *testing.T) {
	w := watch(t, t.TempDir(), time.Hour)
	stop := make(chan struct{})
	done := make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
				if err := write(filepath.Join(w.dir, "a.rego"), "x"); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	w.wait(t)
	w.wait(t)
	close(stop)
	must(t, <-done)
}

// Where there is nothing to watch, polling finds what comes.
func TestPoll(t *testing.T) {
	w := watch(t, filepath.Join(t.TempDir(), "not", "there"), 10*time.Millisecond)
	w.wait(t)
	w.wait(t)
	select {
	case err := <-w.problems:
		t.Errorf("a missing directory is reported: %v", err)
	default:
	}
}

// A directory that takes too many watches is polled, and that is said.
func TestTooManyFolders(t *testing.T) {
	dir := t.TempDir()
	const most = 1000
	for n := range most - 1 { // the directory is one too
		must(t, os.Mkdir(filepath.Join(dir, fmt.Sprint(n)), 0o755))
	}
	w := watch(t, dir, time.Hour)
	must(t, write(filepath.Join(dir, "0", "file"), ""))
	w.wait(t)
	select {
	case err := <-w.problems:
		t.Errorf("as many as there may be: %v", err)
	default:
	}
	must(t, os.Mkdir(filepath.Join(dir, "more"), 0o755))
	w.wait(t)
	w.refused(t)
}

// A link to a folder above it makes endlessly many.
func TestEndlessFolders(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		must(t, os.Symlink(".", filepath.Join(dir, name)))
	}
	w := watch(t, dir, 10*time.Millisecond)
	w.wait(t)
	w.refused(t)
}
