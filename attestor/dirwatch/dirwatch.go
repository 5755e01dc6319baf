// Package dirwatch notices changes in a directory: in its folders, behind its
// symbolic links, and of what it is itself, should it be a link or vanish.
//
// Start at Run. It says that something may have changed, not what: who asks
// compares contents. So nothing is lost when the system's notices are, and a poll
// makes up for those that never come, as from a network file system.
package dirwatch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Options say what to watch, and how patiently.
type Options struct {
	Dir string

	// Quiet is how long nothing must change before Changed is called, and Most
	// how long it waits for that.
	Quiet, Most time.Duration

	// Poll is how often Changed is called without any notice.
	Poll time.Duration

	// Changed is told of a possible change, and when it was noticed first. The
	// next one is told after it has returned.
	Changed func(noticed time.Time)

	// Problem is told why changes are only noticed by polling. Not being able to
	// watch a directory that is not there is no such reason.
	Problem func(error)
}

// Run watches until ctx ends. Changed is called once at the start, when the watch
// stands, for what has changed before.
func Run(ctx context.Context, o Options) {
	poll := time.NewTicker(o.Poll)
	defer poll.Stop()
	var watch *watch
	defer func() { watch.close() }()
	for noticed := time.Now(); ; {
		// The new watch stands before Changed reads and before the old one goes:
		// what changes from here on is noticed. The old one may watch folders that
		// are no longer what is at their paths.
		old := watch
		watch = o.newWatch()
		old.close()
		o.Changed(noticed)

		var ok bool
		if noticed, ok = o.next(ctx, watch, poll.C); !ok {
			return
		}
	}
}

// next waits for the next possible change, and until it is over.
func (o Options) next(ctx context.Context, w *watch, poll <-chan time.Time) (noticed time.Time, ok bool) {
	var quiet, most <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return time.Time{}, false
		case now := <-poll:
			if quiet == nil {
				return now, true
			}
		case event := <-w.events():
			if !w.concerns(event) {
				continue
			}
			if quiet == nil {
				noticed, most = time.Now(), time.After(o.Most)
			}
			quiet = time.After(o.Quiet)
		case <-w.errors(): // notices were lost
			if quiet == nil {
				noticed, quiet, most = time.Now(), time.After(o.Quiet), time.After(o.Most)
			}
		case <-quiet:
			return noticed, true
		case <-most:
			return noticed, true
		}
	}
}

// watch is on the folders as they are at one moment. A nil one notices nothing.
type watch struct {
	*fsnotify.Watcher
	dir     string
	folders map[string]bool
}

// newWatch watches all folders of the directory, and the one that it is in.
func (o Options) newWatch() *watch {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		o.Problem(fmt.Errorf("dirwatch: %w", err))
		return nil
	}
	w := &watch{Watcher: watcher, dir: filepath.Clean(o.Dir), folders: map[string]bool{}}
	err = w.Add(filepath.Dir(w.dir))
	if err == nil {
		err = w.add(w.dir)
	}
	if err != nil && !os.IsNotExist(err) {
		o.Problem(fmt.Errorf("dirwatch: %w", err))
	}
	return w
}

// add watches a folder and all below, through links too. A folder that is gone
// again is a change that has been noticed.
func (w *watch) add(folder string) error {
	if len(w.folders) >= maxFolders {
		return fmt.Errorf("%s has more than %d folders", w.dir, maxFolders)
	}
	if err := w.Add(folder); err != nil {
		return err
	}
	w.folders[folder] = true
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		full := filepath.Join(folder, entry.Name())
		if info, err := os.Stat(full); err != nil || !info.IsDir() {
			continue
		}
		if err := w.add(full); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// concerns leaves out what happens beside the directory.
func (w *watch) concerns(event fsnotify.Event) bool {
	return event.Name == w.dir || w.folders[filepath.Dir(event.Name)] || w.folders[event.Name]
}

func (w *watch) events() <-chan fsnotify.Event {
	if w == nil {
		return nil
	}
	return w.Events
}

func (w *watch) errors() <-chan error {
	if w == nil {
		return nil
	}
	return w.Errors
}

func (w *watch) close() {
	if w != nil {
		w.Close()
	}
}
