package attestor

import (
	"context"
	"sync"
)

// A lease says when nobody uses a thing any longer that is to be released then.
// Its zero value is in force.
type lease struct {
	// release is called once, when the last user has left an ended lease; nil for
	// nothing.
	release func()

	mu    sync.Mutex
	users int
	ended bool
	over  chan struct{} // closed when it has ended and all have left; nil until end
}

// enter makes the caller a user, who has to leave, unless the lease has ended.
func (l *lease) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.users++
	return true
}

// leave is called once for each enter that was true.
func (l *lease) leave() {
	l.mu.Lock()
	l.users--
	over := l.ended && l.users == 0
	l.mu.Unlock()
	if over {
		l.finish()
	}
}

// end lets nobody enter any more. It can be called again.
func (l *lease) end() {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.ended, l.over = true, make(chan struct{})
	over := l.users == 0
	l.mu.Unlock()
	if over {
		l.finish()
	}
}

func (l *lease) finish() {
	if l.release != nil {
		l.release()
	}
	close(l.over)
}

// wait waits until all users of an ended lease have left and what it was about is
// released, or ctx ends. It returns how many users there still are.
func (l *lease) wait(ctx context.Context) int {
	select {
	case <-l.over:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.users
}
