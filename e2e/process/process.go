// Package process runs programs that must not outlive a test or the demo, and
// keeps what they write.
//
// Start at Start.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// grace is how long a process may take to end after SIGTERM.
const grace = 30 * time.Second

// Process is a running program and all that it started.
type Process struct {
	// Log is what it writes, both outputs.
	Log *Log

	command *exec.Cmd
	done    chan struct{} // closed once it has ended
	err     error         // how it ended; read after done
}

// Start runs a program. The end of ctx stops it, as Stop does. cleanup, unless
// nil, runs when it has ended, or could not be started.
func Start(ctx context.Context, cleanup func(), env []string, path string, args ...string) (*Process, error) {
	return StartIn(ctx, "", cleanup, env, path, args...)
}

// StartIn does so in a directory.
func StartIn(ctx context.Context, dir string, cleanup func(), env []string, path string, args ...string) (*Process, error) {
	if cleanup == nil {
		cleanup = func() {}
	}
	p := &Process{Log: newLog(), command: exec.Command(path, args...), done: make(chan struct{})}
	p.command.Dir, p.command.Env = dir, env
	p.command.Stdout, p.command.Stderr = p.Log, p.Log
	// Plugins hold the outputs open; do not wait for them for ever.
	p.command.WaitDelay = grace
	p.command.SysProcAttr = Attributes()
	if err := p.command.Start(); err != nil {
		cleanup()
		return nil, fmt.Errorf("process: %w", err)
	}
	go func() {
		p.err = p.command.Wait()
		// Plugins that a killed server left behind are in its group.
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		p.Log.end()
		cleanup()
		close(p.done)
	}()
	context.AfterFunc(ctx, p.Stop)
	return p, nil
}

// PID is the process's ID.
func (p *Process) PID() int { return p.command.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the process has ended by itself and returns how. An error
// that wraps ctx's means that it still runs.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("process: %s still runs: %w", p.command.Path, ctx.Err())
	}
}

// Stop ends the process and all it started: politely first, then at once.
func (p *Process) Stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return
	case <-timer.C:
	}
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// Signal sends a signal to the process alone.
func (p *Process) Signal(signal os.Signal) error { return p.command.Process.Signal(signal) }

// Ended makes an error of a process that ended when it should not.
func (p *Process) Ended() error {
	return fmt.Errorf("process: %s ended: %w; its log ends\n%s", p.command.Path, errors.Join(p.err, errUnexpected), p.Log.Tail(25))
}

var errUnexpected = errors.New("unexpectedly")

// Until derives a context that is cancelled, with the end of the log as its
// cause, when the process ends. Call the function to let go of it.
func (p *Process) Until(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.done:
			cancel(p.Ended())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}
