package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spire-gatehouse/gatehouse/e2e/attestors"
)

// repeat does something from the first time on, again and again, until stop, which
// says how often it was done to its end.
func repeat(ctx context.Context, do func(ctx context.Context, n int) error) (stop func() (times int, err error)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	var times int
	go func() {
		for ctx.Err() == nil {
			if err := do(ctx, times+1); err != nil && ctx.Err() == nil {
				done <- fmt.Errorf("bench: change under load: %w", err)
				return
			}
			if ctx.Err() == nil {
				times++
			}
		}
		done <- nil
	}()
	return func() (int, error) {
		cancel()
		err := <-done
		return times, err
	}
}

// tookOver and refused are what Gatehouse logs of an edited policy.
const (
	tookOver = "Policy revision took over"
	refused  = "Policy change refused; the last good revision stays in force"
)

// edit writes the n-th policy: the baseline with a selector more.
func (j Job) edit(n int) error {
	text := fmt.Sprintf("package gatehouse.%s\n\nselector contains \"revision:%d\"\n", j.Plugin, n)
	file := filepath.Join(j.Policy, "own.rego")
	return errors.Join(os.MkdirAll(j.Policy, 0o755), os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file))
}

// replacePolicy returns when the n-th policy is in force.
func (c *contender) replacePolicy(ctx context.Context, j Job, n int) error {
	c.Log.Forget()
	if err := j.edit(n); err != nil {
		return err
	}
	entry, found := c.Log.Find(ctx.Done(), func(e attestors.Entry) bool { return e.Message == tookOver || e.Message == refused })
	if found && entry.Message == refused {
		return fmt.Errorf("policy %d: %v", n, entry.Fields["error"])
	}
	return ctx.Err()
}
